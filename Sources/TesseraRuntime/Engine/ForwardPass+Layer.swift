// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The products of a layer and of the output.
extension ForwardPass {
    private var width: Int { model.configuration.width }

    /// Fresh keys and values of all rows, before RoPE.
    func projectKeysAndValues(_ weights: LlamaWeights.Layer) throws(TesseraError) {
        let stride = 2 * buffer.layout.width
        for tile in tiles {
            let normed = try norm(tile, weights.attentionNorm)
            try weights.keysAndValues.multiply(
                rows: tile.count, normed, adding: false, into: keysAndValues + tile.lowerBound * stride)
        }
    }

    /// Fresh queries of all rows, before RoPE.
    func projectQueries(_ weights: LlamaWeights.Layer) throws(TesseraError) -> UnsafeMutablePointer<Float> {
        let stride = model.configuration.queryWidth
        let queries = try model.scratch.queries.reserve(rows.count * stride, of: Float.self)
        for tile in tiles {
            let normed = try norm(tile, weights.attentionNorm)
            try weights.query.multiply(
                rows: tile.count, normed, adding: false, into: queries + tile.lowerBound * stride)
        }
        return queries
    }

    /// Takes the rows through attention and feed-forward.
    ///
    /// - Parameter queries: Those of all rows, if they were projected before; they are rotated here.
    /// - Returns: The attention probabilities that were asked for.
    func attend(
        _ layer: Int, _ weights: LlamaWeights.Layer, _ needs: LayerNeeds, _ queries: UnsafeMutablePointer<Float>?
    ) throws(TesseraError) -> LayerAttention? {
        let watched = watchedRows(needs)
        return try withPositions { positions throws(TesseraError) in
            guard !rows.isEmpty else {
                return needs.attentionOf.isEmpty ? nil : LayerAttention(layer: layer, slots: [], probabilities: [])
            }
            let stride = model.configuration.queryWidth
            let attention = try KeyAttention(
                model, buffer, layer: layer, positions: positions, spans: spans,
                packs: rows.count >= KeyAttention.rowsThatPayForPacking)
            let chosen = try model.scratch.chosenQueries.reserve(watched.count * stride, of: Float.self)
            for tile in tiles {
                let fresh: UnsafeMutablePointer<Float>
                if let queries {
                    fresh = queries + tile.lowerBound * stride
                } else {
                    fresh = try tileQueries(tile, weights)
                }
                rotate(fresh, tile)
                for (place, row) in watched.enumerated() where tile.contains(row) {
                    (chosen + place * stride).update(from: fresh + (row - tile.lowerBound) * stride, count: stride)
                }
                try attend(tile, fresh, attention, weights)
                try feedForward(tile, weights)
            }
            guard !needs.attentionOf.isEmpty else { return nil }
            let unpacked = try KeyAttention(
                model, buffer, layer: layer, positions: positions, spans: spans, packs: false)
            return try probabilities(layer, of: watched, chosen, unpacked)
        }
    }

    /// The logits that the call asked for.
    func logits() throws(TesseraError) -> [Float] {
        let wanted: Range<Int>
        switch call.logits {
        case .none: return []
        case .trailing: wanted = rows.count - trailing..<rows.count
        case .all: wanted = rows.indices
        }
        let vocabulary = model.weights.vocabulary
        var failure: TesseraError?
        let logits = [Float](unsafeUninitializedCapacity: wanted.count * vocabulary) { out, count in
            guard let out = out.baseAddress else { return }
            do throws(TesseraError) {
                for tile in split(wanted) {
                    let normed = try norm(tile, model.weights.outputNorm)
                    try model.weights.output.multiply(
                        rows: tile.count, normed, adding: false,
                        into: out + (tile.lowerBound - wanted.lowerBound) * vocabulary)
                }
                count = wanted.count * vocabulary
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return logits
    }

    // MARK: Steps

    private var tiles: [Range<Int>] { split(rows.indices) }

    private func split(_ range: Range<Int>) -> [Range<Int>] {
        stride(from: range.lowerBound, to: range.upperBound, by: Self.tile).map {
            $0..<min($0 + Self.tile, range.upperBound)
        }
    }

    /// The norm of a tile's residual stream, ready for a product.
    private func norm(_ tile: Range<Int>, _ weight: [Float]) throws(TesseraError) -> UnsafeMutablePointer<UInt8> {
        let (precision, epsilon) = (model.precision, model.configuration.epsilon)
        let rowBytes = width * precision.byteCount
        let out = try model.scratch.activations.reserve(tile.count * rowBytes, of: UInt8.self)
        let rows = residual + tile.lowerBound * width
        weight.withUnsafeBufferPointer { weight in
            guard let weight = weight.baseAddress else { return }
            model.team.run(over: tile.count, grain: 8) { range in
                for row in range {
                    precision.norm(
                        rows + row * width, weight, epsilon: epsilon, count: width, into: out + row * rowBytes)
                }
            }
        }
        return out
    }

    private func tileQueries(
        _ tile: Range<Int>, _ weights: LlamaWeights.Layer
    ) throws(TesseraError) -> UnsafeMutablePointer<Float> {
        let queries = try model.scratch.queries.reserve(tile.count * model.configuration.queryWidth, of: Float.self)
        try weights.query.multiply(
            rows: tile.count, try norm(tile, weights.attentionNorm), adding: false, into: queries)
        return queries
    }

    private func rotate(_ queries: UnsafeMutablePointer<Float>, _ tile: Range<Int>) {
        let model = model.configuration
        self.model.team.run(over: tile.count, grain: 8) { range in
            for row in range {
                let place = queries + row * model.queryWidth
                angles.rotate(
                    place, row: rows[tile.lowerBound + row].origin, heads: model.queryHeads,
                    dimension: model.headDimension, into: place)
            }
        }
    }

    /// residual += attention · Woᵀ
    private func attend(
        _ tile: Range<Int>, _ queries: UnsafePointer<Float>, _ attention: KeyAttention, _ weights: LlamaWeights.Layer
    ) throws(TesseraError) {
        let (stride, precision) = (model.configuration.queryWidth, model.precision)
        let attended = try model.scratch.attended.reserve(tile.count * stride, of: Float.self)
        try attention.attend(
            rows: tile.count, queries, positions: rows[tile].map { positions[$0.slot] },
            into: .init(output: attended))
        let rowBytes = stride * precision.byteCount
        let ready = try model.scratch.activations.reserve(tile.count * rowBytes, of: UInt8.self)
        model.team.run(over: tile.count, grain: 8) { range in
            for row in range {
                precision.copy(attended + row * stride, count: stride, into: ready + row * rowBytes)
            }
        }
        try weights.attentionOutput.multiply(
            rows: tile.count, ready, adding: true, into: residual + tile.lowerBound * width)
    }

    /// residual += SwiGLU(norm(residual)) · Wdownᵀ
    private func feedForward(_ tile: Range<Int>, _ weights: LlamaWeights.Layer) throws(TesseraError) {
        let (inner, precision) = (model.configuration.feedForwardWidth, model.precision)
        let both = try model.scratch.gateAndUp.reserve(tile.count * 2 * inner, of: Float.self)
        try weights.gateAndUp.multiply(
            rows: tile.count, try norm(tile, weights.feedForwardNorm), adding: false, into: both)
        let rowBytes = inner * precision.byteCount
        let ready = try model.scratch.activations.reserve(tile.count * rowBytes, of: UInt8.self)
        model.team.run(over: tile.count, grain: 2) { range in
            for row in range {
                let gate = both + row * 2 * inner
                precision.swiglu(gate: gate, up: gate + inner, count: inner, into: ready + row * rowBytes)
            }
        }
        try weights.down.multiply(rows: tile.count, ready, adding: true, into: residual + tile.lowerBound * width)
    }

    // MARK: Attention probabilities

    /// The rows, by index, whose probabilities are wanted.
    private func watchedRows(_ needs: LayerNeeds) -> [Int] {
        let slots = Set(needs.attentionOf)
        return slots.isEmpty ? [] : rows.indices.filter { slots.contains(rows[$0].slot) }
    }

    private func probabilities(
        _ layer: Int, of watched: [Int], _ queries: UnsafeMutablePointer<Float>, _ attention: KeyAttention
    ) throws(TesseraError) -> LayerAttention {
        let attended = try model.scratch.attended.reserve(
            watched.count * model.configuration.queryWidth, of: Float.self)
        var probabilities = [Float](
            repeating: 0, count: watched.count * model.configuration.queryHeads * call.keyCount)
        var failure: TesseraError?
        probabilities.withUnsafeMutableBufferPointer { out in
            do throws(TesseraError) {
                try attention.attend(
                    rows: watched.count, queries, positions: watched.map { positions[rows[$0].slot] },
                    into: .init(output: attended, probabilities: out.baseAddress))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return LayerAttention(layer: layer, slots: watched.map { rows[$0].slot }, probabilities: probabilities)
    }

    /// Lends the positions of all slots.
    private func withPositions<R>(
        _ body: (UnsafePointer<Int32>) throws(TesseraError) -> R
    ) throws(TesseraError) -> R {
        let result: Result<R, TesseraError> = positions.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { preconditionFailure("a KV buffer has slots") }
            do throws(TesseraError) { return .success(try body(start)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
