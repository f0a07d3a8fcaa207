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

    /// Fresh queries of some rows, by index, before RoPE; they lie in `scratch`.
    func projectQueries(
        of chosen: some RandomAccessCollection<Int>, _ weights: LlamaWeights.Layer, into scratch: Scratch
    ) throws(TesseraError) -> UnsafeMutablePointer<Float> {
        let width = model.configuration.queryWidth
        let queries = try scratch.reserve(chosen.count * width, of: Float.self)
        for start in stride(from: 0, to: chosen.count, by: Self.tile) {
            let tile = chosen.dropFirst(start).prefix(Self.tile)
            try weights.query.multiply(
                rows: tile.count, try norm(tile, weights.attentionNorm), adding: false, into: queries + start * width)
        }
        return queries
    }

    /// Takes the rows through attention and feed-forward, and shows the observer what it asked for.
    ///
    /// - Parameter queries: Those of all rows, if they were projected before; they are rotated here.
    func attend(
        _ layer: Int, _ weights: LlamaWeights.Layer, _ needs: LayerNeeds, _ queries: UnsafeMutablePointer<Float>?
    ) throws(TesseraError) {
        let stride = model.configuration.queryWidth
        let watched = try WatchedRows(rows(at: needs.attentionOf), stride, model.scratch.chosenQueries)
        let weighed = try WatchedRows(rows(at: needs.masses?.rows ?? []), stride, model.scratch.weighedQueries)
        let logSums =
            needs.masses == nil
            ? nil : try model.scratch.logSums.reserve(rows.count * model.configuration.queryHeads, of: Float.self)
        if !rows.isEmpty {
            try attention(layer, spans) { attention throws(TesseraError) in
                for tile in tiles {
                    let fresh: UnsafeMutablePointer<Float>
                    if let queries {
                        fresh = queries + tile.lowerBound * stride
                    } else {
                        fresh = try projectQueries(of: tile, weights, into: model.scratch.queries)
                    }
                    rotate(fresh, of: tile)
                    watched.keep(tile, fresh)
                    weighed.keep(tile, fresh)
                    try attend(
                        tile, fresh, attention, weights,
                        logSums: logSums.map { $0 + tile.lowerBound * model.configuration.queryHeads })
                    try feedForward(tile, weights)
                }
            }
        }
        try show(layer, needs, watched, weighed, logSums)
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

    /// The norm of the residual stream of some rows, by index, ready for a product.
    private func norm(
        _ chosen: some RandomAccessCollection<Int>, _ weight: [Float]
    ) throws(TesseraError) -> UnsafeMutablePointer<UInt8> {
        let (precision, epsilon) = (model.precision, model.configuration.epsilon)
        let rowBytes = width * precision.byteCount
        let out = try model.scratch.activations.reserve(chosen.count * rowBytes, of: UInt8.self)
        weight.withUnsafeBufferPointer { weight in
            guard let weight = weight.baseAddress else { return }
            model.team.run(over: chosen.count, grain: 8) { range in
                for (place, row) in zip(range, chosen.dropFirst(range.lowerBound)) {
                    precision.norm(
                        residual + row * width, weight, epsilon: epsilon, count: width, into: out + place * rowBytes)
                }
            }
        }
        return out
    }

    /// Rotates the queries of some rows, by index, in place.
    func rotate(_ queries: UnsafeMutablePointer<Float>, of chosen: some RandomAccessCollection<Int>) {
        let configuration = model.configuration
        model.team.run(over: chosen.count, grain: 8) { range in
            for (place, row) in zip(range, chosen.dropFirst(range.lowerBound)) {
                let query = queries + place * configuration.queryWidth
                angles.rotate(
                    query, row: rows[row].origin, heads: configuration.queryHeads,
                    dimension: configuration.headDimension, into: query)
            }
        }
    }

    /// residual += attention · Woᵀ
    private func attend(
        _ tile: Range<Int>, _ queries: UnsafePointer<Float>, _ attention: KeyAttention, _ weights: LlamaWeights.Layer,
        logSums: UnsafeMutablePointer<Float>?
    ) throws(TesseraError) {
        let (stride, precision) = (model.configuration.queryWidth, model.precision)
        let attended = try model.scratch.attended.reserve(tile.count * stride, of: Float.self)
        try attention.attend(
            rows: tile.count, queries, positions: positions(of: tile),
            into: .init(output: attended, logSums: logSums))
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
}
