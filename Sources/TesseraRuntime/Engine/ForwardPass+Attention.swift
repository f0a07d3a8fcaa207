// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import TesseraKV

/// What an observer sees of a layer's attention.
extension ForwardPass {
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

    /// The rows that each of an observer's wishes is about.
    struct Watched {
        let attention: WatchedRows
        let received: WatchedRows
        let ablated: WatchedRows
        let weighed: WatchedRows

        /// Keeps what is watched of a tile's queries.
        func keep(_ tile: Range<Int>, _ fresh: UnsafePointer<Float>) {
            for rows in [attention, received, ablated, weighed] { rows.keep(tile, fresh) }
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
        _ layer: Int, _ weights: LlamaWeights.Layer, _ needs: LayerNeeds, _ watched: Watched,
        _ logSums: UnsafeMutablePointer<Float>?
    ) throws(TesseraError) {
        if !needs.attentionOf.isEmpty { try observer?.layerAttended(probabilities(layer, watched.attention)) }
        if !needs.receivedFrom.isEmpty { try observer?.layerReceived(received(layer, watched.received)) }
        if let kept = needs.ablation?.kept {
            try observer?.layerAblated(ablation(layer, weights, kept, watched.ablated))
        }
        if let segments = needs.masses?.segments, let logSums {
            try observer?.layerWeighed(masses(layer, segments, watched.weighed, of: logSums))
        }
    }

    /// The attention of some rows, (row, query head, key).
    func probabilities(_ layer: Int, _ watched: WatchedRows) throws(TesseraError) -> LayerAttention {
        let rowCount = model.configuration.queryHeads * keyCount(layer)
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

    /// The keys of the call that a layer has.
    private func keyCount(_ layer: Int) -> Int { buffer.rows(of: 0..<call.keyCount, in: layer).count }

    /// The attention of some rows, added up, a few rows at a time.
    private func received(_ layer: Int, _ watched: WatchedRows) throws(TesseraError) -> LayerReceived {
        let count = model.configuration.queryHeads * keyCount(layer)
        var (sums, peaks) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
        let step = 32
        let room = try scratch.probabilities.reserve(min(step, watched.rows.count) * count, of: Float.self)
        try attention(layer, [.init(slots: 0..<call.keyCount)], packs: false) { all throws(TesseraError) in
            for first in stride(from: 0, to: watched.rows.count, by: step) {
                let some = watched.rows[first..<min(first + step, watched.rows.count)]
                try all.attend(
                    rows: some.count, watched.queries + first * model.configuration.queryWidth,
                    positions: positions(of: some), into: .init(probabilities: room))
                gather(UnsafeBufferPointer(start: room, count: some.count * count), &sums, &peaks)
            }
        }
        return LayerReceived(layer: layer, slots: watched.rows.map { rows[$0].slot }, sums: sums, peaks: peaks)
    }

    /// What the attention block gives for some rows over all keys, and over a part of them.
    private func ablation(
        _ layer: Int, _ weights: LlamaWeights.Layer, _ kept: [Int], _ watched: WatchedRows
    ) throws(TesseraError) -> LayerAblation {
        // A key that stands behind all rows is seen by none.
        var visible = [Int32](repeating: .max, count: positions.count)
        for slot in kept { visible[slot] = positions[slot] }
        return LayerAblation(
            layer: layer, slots: watched.rows.map { rows[$0].slot },
            full: try blockOutput(layer, weights, watched, over: positions),
            ablated: try blockOutput(layer, weights, watched, over: visible))
    }

    /// attention · Woᵀ of some rows, over keys at these positions, (row, width).
    private func blockOutput(
        _ layer: Int, _ weights: LlamaWeights.Layer, _ watched: WatchedRows, over positions: [Int32]
    ) throws(TesseraError) -> [Float] {
        let (count, configuration) = (watched.rows.count, model.configuration)
        guard count > 0 else { return [] }
        let attended = try scratch.attended.reserve(count * configuration.queryWidth, of: Float.self)
        try positions.withUnsafeBufferPointer { keyPositions throws(TesseraError) in
            guard let start = keyPositions.baseAddress else { return }
            let all = try KeyAttention(
                model, scratch, buffer, layer: layer, positions: start, spans: [.init(slots: 0..<call.keyCount)],
                packs: false)
            try all.attend(
                rows: count, watched.queries, positions: self.positions(of: watched.rows),
                into: .init(output: attended))
        }
        let rowBytes = configuration.queryWidth * model.precision.byteCount
        let ready = try scratch.activations.reserve(count * rowBytes, of: UInt8.self)
        for row in 0..<count {
            model.precision.copy(
                attended + row * configuration.queryWidth, count: configuration.queryWidth, into: ready + row * rowBytes
            )
        }
        let output = try scratch.probabilities.reserve(count * configuration.width, of: Float.self)
        try weights.attentionOutput.multiply(rows: count, ready, adding: false, into: output)
        return Array(UnsafeBufferPointer(start: output, count: count * configuration.width))
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
        try buffer.positions(of: layer).withUnsafeBufferPointer { positions throws(TesseraError) in
            guard let start = positions.baseAddress else { return }
            try body(
                KeyAttention(
                    model, scratch, buffer, layer: layer, positions: start, spans: spans,
                    packs: packs ?? (rows.count >= KeyAttention.rowsThatPayForPacking)))
        }
    }
}

/// Adds rows of numbers to sums, and takes down the highest of each column.
private func gather(_ rows: UnsafeBufferPointer<Float>, _ sums: inout [Float], _ peaks: inout [Float]) {
    sums.withUnsafeMutableBufferPointer { sums in
        peaks.withUnsafeMutableBufferPointer { peaks in
            for start in stride(from: 0, to: rows.count, by: sums.count) {
                for index in sums.indices {
                    let number = rows[start + index]
                    sums[index] += number
                    peaks[index] = number > peaks[index] ? number : peaks[index]
                }
            }
        }
    }
}
