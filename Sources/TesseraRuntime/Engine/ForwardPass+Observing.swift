// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import TesseraKV

/// What an observer sees of a layer.
extension ForwardPass {
    /// Refuses needs that this call can't meet.
    func check(_ needs: LayerNeeds) throws(TesseraError) {
        for segment in needs.masses?.segments ?? [] {
            guard segment.lowerBound >= 0, segment.upperBound <= call.keyCount else {
                throw TesseraError(
                    .invalidInput, "the segment \(segment) of an attention mass exceeds the \(call.keyCount) keys")
            }
        }
        guard spans.count > 1 else { return }
        guard needs.attentionAtSelection.isEmpty, needs.attentionOf.isEmpty, needs.masses == nil else {
            throw TesseraError(
                .unsupported, "attention over parallel contexts can't be watched; use a temperature and a scale of 1")
        }
    }

    // MARK: Before attention

    /// The keys and values that lie in the rows' slots, (row, KV head, dimension).
    func present(_ layer: Int) -> (keys: [Float], values: [Float]) {
        (inSlots(buffer.keys(of: layer)), inSlots(buffer.values(of: layer)))
    }

    /// What the observer selects by.
    ///
    /// - Parameters:
    ///   - queries: Those of all rows, before RoPE, if they were asked for.
    ///   - displaced: What the buffer held, if it was asked for.
    func projection(
        _ layer: Int, _ weights: LlamaWeights.Layer, _ needs: LayerNeeds, _ queries: UnsafeMutablePointer<Float>?,
        _ displaced: (keys: [Float], values: [Float])?
    ) throws(TesseraError) -> LayerProjection {
        let (width, keyWidth) = (model.configuration.width, buffer.layout.width)
        var projection = LayerProjection(layer: layer, slots: rows.map(\.slot))
        if needs.keysAndValues {
            projection.keys = gathered(keysAndValues, width: keyWidth, stride: 2 * keyWidth)
            projection.values = gathered(keysAndValues + keyWidth, width: keyWidth, stride: 2 * keyWidth)
        }
        if let queries {
            let queryWidth = model.configuration.queryWidth
            projection.queries = gathered(queries, width: queryWidth, stride: queryWidth)
        }
        if needs.residualNorms {
            projection.residualNorms = rows.indices.map { ck_norm(stream.residual + $0 * width, width) }
        }
        if let displaced {
            (projection.displacedKeys, projection.displacedValues) = displaced
            projection.placedKeys = inSlots(buffer.keys(of: layer))
        }
        if !needs.attentionAtSelection.isEmpty {
            let chosen = rows(at: needs.attentionAtSelection)
            let queries = try projectQueries(of: chosen, weights, into: scratch.chosenQueries)
            rotate(queries, of: chosen)
            projection.attention = try probabilities(layer, WatchedRows(chosen, queries))
        }
        return projection
    }

    /// The first `width` numbers of every row.
    private func gathered(_ start: UnsafePointer<Float>, width: Int, stride: Int) -> [Float] {
        gathered(rows.indices.lazy.map { start + $0 * stride }, width: width)
    }

    /// What an array of the buffer holds in the rows' slots.
    private func inSlots(_ array: UnsafeMutableBufferPointer<Float>) -> [Float] {
        guard let start = array.baseAddress else { return [] }
        let width = buffer.layout.width
        return gathered(rows.lazy.map { UnsafePointer(start + $0.slot * width) }, width: width)
    }

    private func gathered(_ places: some Collection<UnsafePointer<Float>>, width: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: places.count * width) { out, count in
            guard let out = out.baseAddress else { return }
            for place in places {
                (out + count).update(from: place, count: width)
                count += width
            }
        }
    }

    // MARK: After attention

    /// Rows of which more than the outcome of attention is wanted, with room for their queries.
    struct WatchedRows {
        /// The rows, by index, ascending.
        let rows: [Int]
        /// (watched row, query head, dimension), RoPE applied.
        let queries: UnsafeMutablePointer<Float>
        private let stride: Int

        /// Rows whose queries are there.
        init(_ rows: [Int], _ queries: UnsafeMutablePointer<Float>) {
            self.rows = rows
            self.queries = queries
            stride = 0
        }

        /// Rows whose queries will be kept tile by tile.
        init(_ rows: [Int], _ stride: Int, _ scratch: Scratch) throws(TesseraError) {
            self.rows = rows
            self.stride = stride
            queries = try scratch.reserve(rows.count * stride, of: Float.self)
        }

        /// Keeps what is watched of a tile's queries.
        func keep(_ tile: Range<Int>, _ fresh: UnsafePointer<Float>) {
            for (place, row) in rows.enumerated() where tile.contains(row) {
                (queries + place * stride).update(from: fresh + (row - tile.lowerBound) * stride, count: stride)
            }
        }
    }

    /// The indices of the rows that have one of these slots.
    func rows(at slots: [Int]) -> [Int] {
        let slots = Set(slots)
        return slots.isEmpty ? [] : rows.indices.filter { slots.contains(rows[$0].slot) }
    }

    /// The positions of some rows, by index.
    func positions(of chosen: some Sequence<Int>) -> [Int32] {
        chosen.map { positions[rows[$0].slot] }
    }

    /// Shows the observer the attention that it asked for.
    ///
    /// - Parameter logSums: (row, query head) of all rows over all keys, if masses were asked for.
    func show(
        _ layer: Int, _ needs: LayerNeeds, _ watched: WatchedRows, _ weighed: WatchedRows,
        _ logSums: UnsafeMutablePointer<Float>?
    ) throws(TesseraError) {
        if !needs.attentionOf.isEmpty { try observer?.layerAttended(probabilities(layer, watched)) }
        if let segments = needs.masses?.segments, let logSums {
            try observer?.layerWeighed(masses(layer, segments, weighed, of: logSums))
        }
    }

    private func probabilities(_ layer: Int, _ watched: WatchedRows) throws(TesseraError) -> LayerAttention {
        let rowCount = model.configuration.queryHeads * call.keyCount
        var probabilities = [Float](repeating: 0, count: watched.rows.count * rowCount)
        try probabilities.withUnsafeMutableBufferPointer { out throws(TesseraError) in
            try attention(layer, [.init(slots: 0..<call.keyCount)], packs: false) { all throws(TesseraError) in
                try all.attend(
                    rows: watched.rows.count, watched.queries, positions: positions(of: watched.rows),
                    into: .init(probabilities: out.baseAddress))
            }
        }
        return LayerAttention(layer: layer, slots: watched.rows.map { rows[$0].slot }, probabilities: probabilities)
    }

    private func masses(
        _ layer: Int, _ segments: [Range<Int>], _ weighed: WatchedRows, of whole: UnsafePointer<Float>
    ) throws(TesseraError) -> LayerMasses {
        let heads = model.configuration.queryHeads
        let sums = try scratch.attended.reserve(weighed.rows.count * heads, of: Float.self)
        var masses = [Float](repeating: 0, count: weighed.rows.count * segments.count)
        var peaks = masses
        for (index, segment) in segments.enumerated() where !segment.isEmpty && !weighed.rows.isEmpty {
            // Packed like the keys of the whole, so that both log sums are of the same scores.
            try attention(layer, [.init(slots: segment)]) { part throws(TesseraError) in
                try part.attend(
                    rows: weighed.rows.count, weighed.queries, positions: positions(of: weighed.rows),
                    into: .init(logSums: sums))
            }
            for (place, row) in weighed.rows.enumerated() {
                let index = place * segments.count + index
                masses[index] = ck_attention_mass(sums + place * heads, whole + row * heads, heads, &peaks[index])
            }
        }
        return LayerMasses(
            layer: layer, slots: weighed.rows.map { rows[$0].slot }, segments: segments.count, masses: masses,
            peaks: peaks)
    }

    /// Lends the attention of the present rows over some keys.
    ///
    /// - Parameter packs: Whether keys are packed; nil where the number of rows pays for it.
    func attention(
        _ layer: Int, _ spans: [KeyAttention.Span], packs: Bool? = nil,
        _ body: (KeyAttention) throws(TesseraError) -> Void
    ) throws(TesseraError) {
        try positions.withUnsafeBufferPointer { positions throws(TesseraError) in
            guard let start = positions.baseAddress else { return }
            try body(
                KeyAttention(
                    model, scratch, buffer, layer: layer, positions: start, spans: spans,
                    packs: packs ?? (rows.count >= KeyAttention.rowsThatPayForPacking)))
        }
    }
}
