// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TesseraKV
import TesseraTestSupport

/// Random queries, keys and values, and their attention: by the kernels, and by the definition in double precision.
struct AttentionCase {
    let heads: Int
    let keyHeads: Int
    let dimension: Int
    let queries: [Float]  // (row, head, dimension)
    let queryPositions: [Int32]
    let keys: [Float]  // (slot, KV head, dimension)
    let values: [Float]
    let keyPositions: [Int32]

    struct Result {
        var output: [Float]  // (row, head, dimension)
        var logSums: [Float]  // (row, head)
    }

    init(
        heads: Int, keyHeads: Int, dimension: Int, queryPositions: [Int32], keyPositions: [Int32], seed: UInt64 = 0
    ) {
        var random = SplitMix64(seed: seed)
        self.heads = heads
        self.keyHeads = keyHeads
        self.dimension = dimension
        self.queryPositions = queryPositions
        self.keyPositions = keyPositions
        queries = random.floats(queryPositions.count * heads * dimension, scale: 3)
        keys = random.floats(keyPositions.count * keyHeads * dimension, scale: 3)
        values = random.floats(keyPositions.count * keyHeads * dimension)
    }

    /// Numbers of one head, given as vectors.
    init(
        queries: [[Float]], queryPositions: [Int32], keys: [[Float]], values: [[Float]], keyPositions: [Int32]
    ) {
        (heads, keyHeads, dimension) = (1, 1, queries[0].count)
        self.queryPositions = queryPositions
        self.keyPositions = keyPositions
        self.queries = queries.flatMap { $0 }
        self.keys = keys.flatMap { $0 }
        self.values = values.flatMap { $0 }
    }

    /// By the tiles of an instruction set and precision.
    ///
    /// - Parameters:
    ///   - slots: The range of keys; nil for all.
    ///   - temperature: What scores are divided by.
    ///   - wantsOutput: Whether more than log sums is wanted.
    func tiled(
        _ isa: ck_isa, _ precision: ck_precision, slots: Range<Int>? = nil, temperature: Float = 1,
        wantsOutput: Bool = true
    ) -> Result {
        computed(slots, temperature: temperature, wantsOutput: wantsOutput) { queries, keys in
            let kernels = ck_attention_kernels_of(isa, precision)
            let packed = UnsafeMutableRawPointer.allocate(
                byteCount: ck_attention_packed_bytes(kernels, keys), alignment: 4)
            let scratch = UnsafeMutableRawPointer.allocate(
                byteCount: ck_attention_tile_scratch_bytes(kernels, queries, keys), alignment: 4)
            defer { packed.deallocate(); scratch.deallocate() }
            for block in 0..<ck_attention_block_count(keys) { ck_attention_pack(kernels, keys, block, packed) }
            let full = ck_attention_tile_rows(queries, keys)
            for row in stride(from: 0, to: queryPositions.count, by: full) {
                let rows = min(full, queryPositions.count - row)
                for head in 0..<keyHeads {
                    ck_attention_tile(kernels, queries, keys, packed, row, rows, head, scratch)
                }
            }
        }
    }

    /// Row by row, with the probabilities.
    func direct(_ isa: ck_isa) -> (result: Result, probabilities: [Float]) {
        var probabilities = [Float](repeating: .nan, count: queryPositions.count * heads * keyPositions.count)
        let result = probabilities.withUnsafeMutableBufferPointer { probabilities in
            computed(nil, probabilities: probabilities.baseAddress) { queries, keys in
                let kernels = ck_attention_kernels_of(isa, CK_FP32)
                for row in queryPositions.indices {
                    for head in 0..<keyHeads { ck_attention_direct(kernels, queries, keys, row, head, nil) }
                }
            }
        }
        return (result, probabilities)
    }

    /// Row by row over a range of keys.
    func directly(
        _ isa: ck_isa, slots: Range<Int>? = nil, temperature: Float = 1, wantsOutput: Bool = true
    ) -> Result {
        computed(slots, temperature: temperature, wantsOutput: wantsOutput) { queries, keys in
            let scratch = UnsafeMutableRawPointer.allocate(
                byteCount: ck_attention_direct_scratch_bytes(queries, keys), alignment: 4)
            defer { scratch.deallocate() }
            let kernels = ck_attention_kernels_of(isa, CK_FP32)
            for row in queryPositions.indices {
                for head in 0..<keyHeads { ck_attention_direct(kernels, queries, keys, row, head, scratch) }
            }
        }
    }

    private func computed(
        _ slots: Range<Int>?, temperature: Float = 1, wantsOutput: Bool = true,
        probabilities: UnsafeMutablePointer<Float>? = nil,
        _ body: (UnsafePointer<ck_queries>, UnsafePointer<ck_keys>) -> Void
    ) -> Result {
        let slots = slots ?? keyPositions.indices
        var result = Result(
            output: Array(repeating: .nan, count: queries.count),
            logSums: Array(repeating: .nan, count: queryPositions.count * heads))
        result.output.withUnsafeMutableBufferPointer { output in
            result.logSums.withUnsafeMutableBufferPointer { logSums in
                withExtendedLifetime((queries, queryPositions, keys, values, keyPositions)) {
                    withPointers { queries, queryPositions, keys, values, keyPositions in
                        var call = ck_queries(
                            queries: queries, positions: queryPositions, heads: heads,
                            scale: 1 / Float(dimension).squareRoot() / temperature,
                            output: wantsOutput ? output.baseAddress : nil,
                            log_sums: logSums.baseAddress, probabilities: probabilities)
                        var range = ck_keys(
                            keys: keys, values: values, positions: keyPositions, first: slots.lowerBound,
                            count: slots.count, heads: keyHeads, dimension: dimension)
                        body(&call, &range)
                    }
                }
            }
        }
        return result
    }

    private func withPointers(
        _ body: (
            UnsafePointer<Float>?, UnsafePointer<Int32>?, UnsafePointer<Float>?, UnsafePointer<Float>?,
            UnsafePointer<Int32>?
        ) -> Void
    ) {
        queries.withUnsafeBufferPointer { queries in
            queryPositions.withUnsafeBufferPointer { queryPositions in
                keys.withUnsafeBufferPointer { keys in
                    values.withUnsafeBufferPointer { values in
                        keyPositions.withUnsafeBufferPointer { keyPositions in
                            body(
                                queries.baseAddress, queryPositions.baseAddress, keys.baseAddress, values.baseAddress,
                                keyPositions.baseAddress)
                        }
                    }
                }
            }
        }
    }

    /// By the definition, in double precision; the probabilities are (row, head, slot).
    func defined() -> (result: Result, probabilities: [Float]) {
        var result = Result(output: [], logSums: [])
        var probabilities: [Float] = []
        for row in queryPositions.indices {
            for head in 0..<heads {
                let keyHead = head / (heads / keyHeads)
                let query = queries[((row * heads) + head) * dimension..<((row * heads) + head + 1) * dimension]
                let weights = keyPositions.indices.map { slot -> Double in
                    guard keyPositions[slot] <= queryPositions[row] else { return 0 }
                    let score = zip(query, vector(keys, slot, keyHead)).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                    return exp(score / Double(dimension).squareRoot())
                }
                let sum = weights.reduce(0, +)
                let shares = weights.map { sum > 0 ? $0 / sum : 0 }
                var output = [Double](repeating: 0, count: dimension)
                for slot in keyPositions.indices {
                    for (index, value) in vector(values, slot, keyHead).enumerated() {
                        output[index] += shares[slot] * Double(value)
                    }
                }
                result.output += output.map { Float($0) }
                result.logSums.append(Float(log(sum)))
                probabilities += shares.map { Float($0) }
            }
        }
        return (result, probabilities)
    }

    func vector(_ numbers: [Float], _ slot: Int, _ head: Int) -> ArraySlice<Float> {
        let start = (slot * keyHeads + head) * dimension
        return numbers[start..<start + dimension]
    }
}
