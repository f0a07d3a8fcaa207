// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import TesseraKV

/// Attention over the first slots of a buffer in one layer, spread over the team.
struct KeyAttention {
    private let model: LlamaModel
    private let keys: ck_keys
    private let kernels: OpaquePointer?
    /// The packed keys and values; nil when the rows are too few to pay for packing.
    private let packed: UnsafeMutablePointer<UInt8>?

    /// Packing costs a little more than computing one row from unpacked keys.
    private static let rowsThatPayForPacking = 2

    /// - Parameter positions: The position of each slot; has to outlive this value.
    init(
        _ model: LlamaModel, _ buffer: KVBuffer, layer: Int, positions: UnsafePointer<Int32>, keyCount: Int, rows: Int
    ) throws(TesseraError) {
        self.model = model
        let keys = ck_keys(
            keys: buffer.keys(of: layer).baseAddress, values: buffer.values(of: layer).baseAddress,
            positions: positions, first: 0, count: keyCount, heads: buffer.layout.heads,
            dimension: buffer.layout.headDimension)
        self.keys = keys
        let kernels = ck_attention_kernels_of(ck_isa_active(), model.precision.kernel)
        self.kernels = kernels
        guard rows >= Self.rowsThatPayForPacking else {
            packed = nil
            return
        }
        let packed = try withUnsafePointer(to: keys) { keys throws(TesseraError) in
            try model.scratch.packedKeys.reserve(ck_attention_packed_bytes(kernels, keys), of: UInt8.self)
        }
        withUnsafePointer(to: keys) { keys in
            model.team.run(ck_attention_block_count(keys)) { block, _ in
                ck_attention_pack(kernels, keys, block, packed)
            }
        }
        self.packed = packed
    }

    /// Attention of `rows` rows.
    ///
    /// - Parameters:
    ///   - queries: (row, query head, dimension), RoPE applied.
    ///   - positions: (row).
    ///   - output: (row, query head, dimension).
    ///   - probabilities: (row, query head, key slot), or nil if they aren't wanted.
    func attend(
        rows: Int, _ queries: UnsafePointer<Float>, positions: [Int32], into output: UnsafeMutablePointer<Float>,
        probabilities: UnsafeMutablePointer<Float>? = nil
    ) throws(TesseraError) {
        let scale = 1 / Float(keys.dimension).squareRoot()
        try positions.withUnsafeBufferPointer { positions throws(TesseraError) in
            var call = ck_queries(
                queries: queries, positions: positions.baseAddress, heads: model.configuration.queryHeads, scale: scale,
                output: output, log_sums: nil, probabilities: probabilities)
            var keys = keys
            if let packed, probabilities == nil {
                try tiles(&call, &keys, rows, packed)
            } else {
                try direct(&call, &keys, rows)
            }
        }
    }

    private func tiles(
        _ call: inout ck_queries, _ keys: inout ck_keys, _ rows: Int, _ packed: UnsafeMutablePointer<UInt8>
    ) throws(TesseraError) {
        let bytes = ck_attention_tile_scratch_bytes(kernels, &call, &keys)
        let scratch = try model.scratch.attention.reserve(model.team.threads * bytes, of: UInt8.self)
        let full = ck_attention_tile_rows(&call, &keys)
        let count = (rows + full - 1) / full
        let heads = keys.heads
        withUnsafePointer(to: call) { call in
            withUnsafePointer(to: keys) { keys in
                // Late rows see more keys and take longer: they go first, so that the threads end together.
                model.team.run(count * heads) { task, thread in
                    let first = (count - 1 - task / heads) * full
                    ck_attention_tile(
                        kernels, call, keys, packed, first, min(full, rows - first), task % heads,
                        scratch + thread * bytes)
                }
            }
        }
    }

    private func direct(_ call: inout ck_queries, _ keys: inout ck_keys, _ rows: Int) throws(TesseraError) {
        let bytes = ck_attention_direct_scratch_bytes(&call, &keys)
        let scratch = try model.scratch.attention.reserve(model.team.threads * bytes, of: UInt8.self)
        let heads = keys.heads
        withUnsafePointer(to: call) { call in
            withUnsafePointer(to: keys) { keys in
                model.team.run(rows * heads) { task, thread in
                    ck_attention_direct(kernels, call, keys, task / heads, task % heads, scratch + thread * bytes)
                }
            }
        }
    }
}
