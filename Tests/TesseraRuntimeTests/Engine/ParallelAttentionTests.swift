// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRuntime

@Suite struct `Attention over parallel contexts` {
    /// A design vector: a prefix token, three contexts of one token, a question token.
    struct Vector: Sendable {
        let temperature, scale: Float
        let contextLogSum, contextWeight: Double
        let output: [Double]

        static let all = [
            Vector(
                temperature: 1, scale: 1, contextLogSum: 1.670043, contextWeight: 0.463812,
                output: [1.226307, 0.870685]),
            Vector(
                temperature: 0.8, scale: 0.9, contextLogSum: 1.843880, contextWeight: 0.380494,
                output: [1.276165, 0.900601]),
            Vector(
                temperature: 0.9, scale: 0.9, contextLogSum: 1.745839, contextWeight: 0.401092,
                output: [1.271798, 0.890772]),
        ]

        var parallel: ParallelContexts { ParallelContexts(slots: 1..<4, temperature: temperature, scale: scale) }

        /// All contexts share position 1.
        static let attention = AttentionCase(
            queries: [[1, 0.5]], queryPositions: [2],
            keys: [[2, 0], [1, 1], [0.5, -1], [-0.5, 2], [1, 0]],
            values: [[1, 0], [0, 1], [1, 1], [2, 0], [3, 3]], keyPositions: [0, 1, 1, 1, 2])
    }

    @Test(arguments: Vector.all) func `the definition gives the design's vectors`(vector: Vector) {
        let attention = Vector.attention
        let scores = (0..<5).map { slot in
            Double(zip(attention.queries, attention.vector(attention.keys, slot, 0)).reduce(0) { $0 + $1.0 * $1.1 })
                / 2.squareRoot()
        }
        let row = ParallelReference.row(
            scores: scores, values: (0..<5).map { attention.vector(attention.values, $0, 0).map { Double($0) } },
            vector.parallel)
        #expect(abs(row.contextLogSum - vector.contextLogSum) < 1e-6)
        #expect(abs(row.otherLogSum - 1.815047) < 1e-6)
        #expect(abs(row.contextWeight - vector.contextWeight) < 1e-6)
        #expect(zip(row.output, vector.output).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test(arguments: InstructionSet.all, Vector.all)
    func `the kernels give the design's vectors`(set: InstructionSet, vector: Vector) {
        for output in [
            Vector.attention.merged(vector.parallel) {
                Vector.attention.tiled(set.isa, CK_FP32, slots: $0, temperature: $1)
            },
            Vector.attention.merged(vector.parallel) { Vector.attention.directly(set.isa, slots: $0, temperature: $1) },
        ] {
            #expect(largestDifference(output, vector.output.map { Float($0) }) < 2e-6)
        }
    }

    /// Query heads, KV heads, dimension.
    static let shapes = [(2, 2, 32), (8, 2, 64), (7, 1, 48), (4, 4, 128), (3, 1, 5)]

    @Test(arguments: shapes) func `equals the definition in double precision`(shape: (Int, Int, Int)) {
        for (slots, temperature, scale) in [
            (20..<150, Float(0.8), Float(0.9)), (0..<64, 0.5, 1), (65..<66, 1.3, 0.7), (20..<150, 1, 1),
        ] {
            let attention = Self.contexts(shape, block: slots)
            let parallel = ParallelContexts(slots: slots, temperature: temperature, scale: scale)
            let expected = attention.defined(parallel)
            for set in InstructionSet.all {
                for precision in [CK_FP32, CK_BF16] {
                    let output = attention.merged(parallel) {
                        attention.tiled(set.isa, precision, slots: $0, temperature: $1)
                    }
                    let narrow = precision == CK_BF16 && set.isa == CK_ISA_AVX512_BF16
                    #expect(largestDifference(output, expected) < (narrow ? 4e-2 : 6e-6))
                }
                let output = attention.merged(parallel) { attention.directly(set.isa, slots: $0, temperature: $1) }
                #expect(largestDifference(output, expected) < 6e-6)
            }
        }
    }

    @Test func `a row that sees no key of any part is zero`() {
        let attention = AttentionCase(
            heads: 2, keyHeads: 1, dimension: 32, queryPositions: [4, 500], keyPositions: Array(5..<Int32(133)))
        let parallel = ParallelContexts(slots: 10..<100, temperature: 0.9, scale: 0.9)
        let output = attention.merged(parallel) { attention.tiled(CK_ISA_SCALAR, CK_FP32, slots: $0, temperature: $1) }
        #expect(output.prefix(64).allSatisfy { $0 == 0 })
        #expect(largestDifference(output, attention.defined(parallel)) < 6e-6)
    }

    @Test(arguments: InstructionSet.all) func `log sums alone are the same, without outputs`(set: InstructionSet) {
        let attention = Self.contexts((8, 2, 64), block: 20..<150)
        let without = attention.tiled(set.isa, CK_FP32, wantsOutput: false)
        #expect(without.logSums == attention.tiled(set.isa, CK_FP32).logSums)
        #expect(without.output.allSatisfy { $0.isNaN })
        let directly = attention.directly(set.isa, wantsOutput: false)
        #expect(directly.logSums == attention.directly(set.isa).logSums)
        #expect(directly.output.allSatisfy { $0.isNaN })
    }

    @Test(
        arguments: [GoldenModel.random[0], GoldenModel.random[3], GoldenModel.random[4]],
        [EnginePrecision.fp32] + (hasBF16 ? [.bf16] : []))
    func `the engine's attention equals the definition`(golden: GoldenModel, precision: EnginePrecision) throws {
        let file = try GGUFFile(path: golden.path)
        let configuration = try LlamaConfiguration(file)
        let model = try LlamaModel(
            file, configuration, rotary: .llama(file, configuration), precision: precision,
            team: ThreadTeam(threads: 2, leastSteps: 1))
        let layout = configuration.layout
        let shape = (configuration.queryHeads, layout.heads, layout.headDimension)
        for slots in [20..<150, 0..<130, 90..<160] {
            let attention = Self.contexts(shape, block: slots)
            let buffer = try KVBuffer(layout: layout, capacity: attention.keyPositions.count)
            _ = buffer.keys(of: 1).update(from: attention.keys)
            _ = buffer.values(of: 1).update(from: attention.values)
            let call = PartialPrefill(
                input: .tokens([]), slots: [], keyCount: buffer.capacity, logits: .none,
                parallel: ParallelContexts(slots: slots, temperature: 0.8, scale: 0.9))
            let expected = attention.defined(try #require(call.parallel))
            for packs in [true, false] {
                let output = try model.attention(call, attention, over: buffer, layer: 1, packs: packs)
                #expect(largestDifference(output, expected) < (packs && precision == .bf16 ? 4e-2 : 6e-6))
            }
        }
    }

    /// 160 keys, of which those in front of the block are a prefix, those in it four contexts that share positions, and
    /// those behind it a question; rows of the prefix, of the question, and behind it.
    private static func contexts(_ shape: (Int, Int, Int), block: Range<Int>) -> AttentionCase {
        let length = (block.count + 3) / 4
        let prefix = Int32(block.lowerBound)
        let positions = (0..<160).map { slot -> Int32 in
            if block.contains(slot) { return prefix + Int32((slot - block.lowerBound) % length) }
            return slot < block.lowerBound ? Int32(slot) : prefix + Int32(length + slot - block.upperBound)
        }
        let last = (positions.max() ?? 0) + 1
        let rows = (0..<12).map { last - Int32($0) } + [0, prefix / 2, prefix, prefix + Int32(length / 2), last + 100]
        return AttentionCase(
            heads: shape.0, keyHeads: shape.1, dimension: shape.2, queryPositions: rows, keyPositions: positions,
            seed: UInt64(block.count))
    }
}

extension AttentionCase {
    /// The merge of the parts in front of, in, and behind the contexts, each computed by `part`.
    func merged(_ parallel: ParallelContexts, _ part: (_ slots: Range<Int>, _ temperature: Float) -> Result) -> [Float]
    {
        let spans = [
            KeyAttention.Span(slots: 0..<parallel.slots.lowerBound),
            KeyAttention.Span(
                slots: parallel.slots, temperature: parallel.temperature,
                weight: parallel.scale * parallel.temperature),
            KeyAttention.Span(slots: parallel.slots.upperBound..<keyPositions.count),
        ].filter { !$0.slots.isEmpty }
        let parts = spans.map { part($0.slots, $0.temperature) }
        var (outputs, logSums) = (parts.flatMap(\.output), parts.flatMap(\.logSums))
        var merged = [Float](repeating: .nan, count: queries.count)
        outputs.withUnsafeMutableBufferPointer { outputs in
            logSums.withUnsafeMutableBufferPointer { logSums in
                let calls = spans.indices.map { index in
                    ck_queries(
                        queries: nil, positions: nil, heads: heads, scale: 1,
                        output: outputs.baseAddress.map { $0 + index * queries.count },
                        log_sums: logSums.baseAddress.map { $0 + index * queryPositions.count * heads },
                        probabilities: nil)
                }
                for head in 0..<heads {
                    ck_attention_merge(
                        calls, spans.map(\.weight), spans.count, 0, queryPositions.count, head, 1, dimension, &merged)
                }
            }
        }
        return merged
    }
}

extension LlamaModel {
    /// The output of a call's attention in one layer, of the queries of a case.
    fileprivate func attention(
        _ call: PartialPrefill, _ attention: AttentionCase, over buffer: KVBuffer, layer: Int, packs: Bool
    ) throws -> [Float] {
        var output = [Float](repeating: .nan, count: attention.queries.count)
        try attention.keyPositions.withUnsafeBufferPointer { positions in
            try output.withUnsafeMutableBufferPointer { output in
                try KeyAttention(
                    self, scratch, buffer, layer: layer, positions: try #require(positions.baseAddress),
                    spans: KeyAttention.Span.all(of: call), packs: packs
                ).attend(
                    rows: attention.queryPositions.count, attention.queries, positions: attention.queryPositions,
                    into: .init(output: output.baseAddress))
            }
        }
        return output
    }
}
