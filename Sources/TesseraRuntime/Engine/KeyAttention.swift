// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import TesseraKV

/// Attention over slots of a buffer in one layer, spread over the team.
///
/// The slots may be several spans, which are attended to one by one and merged: in plain softmax, or with the factors
/// that ``ParallelContexts`` describes.
struct KeyAttention {
    /// Slots that are attended to as one, and how they count beside others.
    struct Span {
        var slots: Range<Int>
        /// What scores are divided by.
        var temperature: Float = 1
        /// What the span's log sum is multiplied with when spans are merged.
        var weight: Float = 1
    }

    /// Where results go; nil for what isn't wanted.
    struct Output {
        /// (row, query head, dimension).
        var output: UnsafeMutablePointer<Float>?
        /// ln Σ e^score of shape (row, query head); with a single span alone.
        var logSums: UnsafeMutablePointer<Float>?
        /// (row, query head, key slot); with a single unpacked span alone.
        var probabilities: UnsafeMutablePointer<Float>?
    }

    private let model: LlamaModel
    private let scratch: LayerScratch
    private let kernels: OpaquePointer?
    private let spans: [Span]
    private let weights: [Float]
    private let keys: [ck_keys]
    /// The packed keys and values of each span; nil when rows are computed from the buffer as it is.
    private let packed: [UnsafeMutablePointer<UInt8>]?

    /// Packing costs a little more than computing one row from unpacked keys.
    static let rowsThatPayForPacking = 2

    /// - Parameters:
    ///   - positions: The position of each row of the layer; has to outlive this value.
    ///   - spans: Disjoint and not empty, at most ``CK_ATTENTION_PARTS``.
    ///   - packs: Whether many rows come. Packed keys share one scratch: those of an earlier value are lost.
    init(
        _ model: LlamaModel, _ scratch: LayerScratch, _ buffer: KVBuffer, layer: Int, positions: UnsafePointer<Int32>,
        spans: [Span],
        packs: Bool
    ) throws(TesseraError) {
        self.model = model
        self.scratch = scratch
        self.spans = spans
        weights = spans.map(\.weight)
        keys = spans.map { span in
            let rows = buffer.rows(of: span.slots, in: layer)
            return ck_keys(
                keys: buffer.keys(of: layer).baseAddress, values: buffer.values(of: layer).baseAddress,
                positions: positions, first: rows.lowerBound, count: rows.count, heads: buffer.layout.heads,
                dimension: buffer.layout.headDimension)
        }
        kernels = ck_attention_kernels_of(ck_isa_active(), model.precision.kernel)
        packed = packs ? try Self.pack(keys, kernels, model, scratch) : nil
    }

    private static func pack(
        _ keys: [ck_keys], _ kernels: OpaquePointer?, _ model: LlamaModel, _ scratch: LayerScratch
    ) throws(TesseraError) -> [UnsafeMutablePointer<UInt8>] {
        let bytes = keys.map { keys in withUnsafePointer(to: keys) { ck_attention_packed_bytes(kernels, $0) } }
        var next = try scratch.packedKeys.reserve(bytes.reduce(0, +), of: UInt8.self)
        return zip(keys, bytes).map { keys, bytes in
            let (place, numbers) = (next, 2 * keys.count * keys.heads * keys.dimension)
            next += bytes
            withUnsafePointer(to: keys) { keys in
                model.team.run(ck_attention_block_count(keys), steps: ThreadTeam.steps(numbers: numbers)) { block, _ in
                    ck_attention_pack(kernels, keys, block, place)
                }
            }
            return place
        }
    }

    /// Attention of `rows` rows.
    ///
    /// - Parameters:
    ///   - queries: (row, query head, dimension), RoPE applied.
    ///   - positions: (row).
    ///   - result: Where to write what is wanted.
    func attend(
        rows: Int, _ queries: UnsafePointer<Float>, positions: [Int32], into result: Output
    ) throws(TesseraError) {
        var result = result
        var merged: UnsafeMutablePointer<Float>?
        if spans.count > 1 { (merged, result) = (result.output, try partialResults(rows)) }
        try positions.withUnsafeBufferPointer { positions throws(TesseraError) in
            let scale = 1 / Float(keys[0].dimension).squareRoot()
            let calls = spans.indices.map { index in
                let (outputs, sums) = (index * rows * rowWidth, index * rows * model.configuration.queryHeads)
                return ck_queries(
                    queries: queries, positions: positions.baseAddress, heads: model.configuration.queryHeads,
                    scale: scale / spans[index].temperature, output: result.output?.advanced(by: outputs),
                    log_sums: result.logSums?.advanced(by: sums), probabilities: result.probabilities)
            }
            try compute(rows, calls, merged: merged)
        }
    }

    private var rowWidth: Int { model.configuration.queryHeads * keys[0].dimension }

    /// Room for what each span gives by itself, (span, row, …).
    private func partialResults(_ rows: Int) throws(TesseraError) -> Output {
        let count = spans.count * rows
        let place = try scratch.partialAttention.reserve(
            count * (rowWidth + model.configuration.queryHeads), of: Float.self)
        return Output(output: place, logSums: place + count * rowWidth)
    }

    /// Runs one call per span, and merges them into `merged` if there are several.
    private func compute(
        _ rows: Int, _ calls: [ck_queries], merged: UnsafeMutablePointer<Float>?
    ) throws(TesseraError) {
        let heads = keys[0].heads
        let full = packed == nil ? 1 : tileRows(calls[0])
        let tiles = (rows + full - 1) / full
        let bytes = zip(calls, keys).map(scratchBytes).max() ?? 0
        let room = try scratch.attention.reserve(model.team.threads * bytes, of: UInt8.self)
        let steps = 2 * rows * rowWidth * keys.reduce(0) { $0 + $1.count }
        // Late rows see more keys and take longer: they go first, so that the threads end together.
        model.team.run(tiles * heads, steps: steps) { task, thread in
            let first = (tiles - 1 - task / heads) * full
            let (range, head) = (first..<min(first + full, rows), task % heads)
            for span in spans.indices {
                attend(range, head, calls[span], span: span, room + thread * bytes)
            }
            if let merged { merge(calls, range, head, into: merged) }
        }
    }

    private func attend(
        _ rows: Range<Int>, _ head: Int, _ call: ck_queries, span: Int, _ scratch: UnsafeMutablePointer<UInt8>
    ) {
        withUnsafePointer(to: call) { call in
            withUnsafePointer(to: keys[span]) { keys in
                if let packed {
                    ck_attention_tile(
                        kernels, call, keys, packed[span], rows.lowerBound, rows.count, head, scratch)
                } else {
                    for row in rows { ck_attention_direct(kernels, call, keys, row, head, scratch) }
                }
            }
        }
    }

    private func merge(
        _ calls: [ck_queries], _ rows: Range<Int>, _ head: Int, into output: UnsafeMutablePointer<Float>
    ) {
        let group = model.configuration.queryHeads / keys[0].heads
        ck_attention_merge(
            calls, weights, calls.count, rows.lowerBound, rows.count, head * group, group, keys[0].dimension, output)
    }

    private func tileRows(_ call: ck_queries) -> Int {
        withUnsafePointer(to: call) { call in withUnsafePointer(to: keys[0]) { ck_attention_tile_rows(call, $0) } }
    }

    private func scratchBytes(_ call: ck_queries, _ keys: ck_keys) -> Int {
        withUnsafePointer(to: call) { call in
            withUnsafePointer(to: keys) { keys in
                packed == nil
                    ? ck_attention_direct_scratch_bytes(call, keys)
                    : ck_attention_tile_scratch_bytes(kernels, call, keys)
            }
        }
    }
}

extension KeyAttention.Span {
    /// The spans of a call's attention: all keys as one, or those in front of, in, and behind its parallel contexts.
    static func all(of call: PartialPrefill) -> [Self] {
        guard let parallel = call.parallel, !parallel.isOrdinary else { return [Self(slots: 0..<call.keyCount)] }
        let block = parallel.slots
        return [
            Self(slots: 0..<block.lowerBound),
            Self(
                slots: block, temperature: parallel.temperature, weight: parallel.scale * parallel.temperature),
            Self(slots: block.upperBound..<call.keyCount),
        ].filter { !$0.slots.isEmpty }
    }
}
