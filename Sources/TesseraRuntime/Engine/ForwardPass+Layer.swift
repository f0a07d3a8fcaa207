// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The products of a layer and of the output.
extension ForwardPass {
    /// Fresh keys and values of all rows, before RoPE.
    func projectKeysAndValues(_ weights: LlamaWeights.Layer) throws(TesseraError) {
        let stride = 2 * buffer.layout.width
        for tile in tiles {
            giveWay()
            let normed = try stream.norm(tile, weights.attentionNorm)
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
        for start in stride(from: 0, to: chosen.count, by: ResidualStream.tile) {
            let tile = chosen.dropFirst(start).prefix(ResidualStream.tile)
            try weights.query.multiply(
                rows: tile.count, try stream.norm(tile, weights.attentionNorm), adding: false,
                into: queries + start * width)
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
        let watched = try Watched(
            attention: WatchedRows(rows(at: needs.attentionOf), stride, scratch.chosenQueries),
            received: WatchedRows(rows(at: needs.receivedFrom), stride, scratch.receivedQueries),
            ablated: WatchedRows(rows(at: needs.ablation?.rows ?? []), stride, scratch.ablatedQueries),
            weighed: WatchedRows(rows(at: needs.masses?.rows ?? []), stride, scratch.weighedQueries))
        let logSums =
            needs.masses == nil
            ? nil : try scratch.logSums.reserve(rows.count * model.configuration.queryHeads, of: Float.self)
        if !rows.isEmpty {
            try attention(layer, spans) { attention throws(TesseraError) in
                for tile in tiles {
                    giveWay()
                    let fresh: UnsafeMutablePointer<Float>
                    if let queries {
                        fresh = queries + tile.lowerBound * stride
                    } else {
                        fresh = try projectQueries(of: tile, weights, into: scratch.queries)
                    }
                    rotate(fresh, of: tile)
                    watched.keep(tile, fresh)
                    try attend(
                        tile, fresh, attention, weights,
                        logSums: logSums.map { $0 + tile.lowerBound * model.configuration.queryHeads })
                    try stream.feedForward(tile, weights)
                }
            }
        }
        try show(layer, weights, needs, watched, logSums)
    }

    /// The logits that the call asked for.
    func logits() throws(TesseraError) -> [Float] {
        switch call.logits {
        case .none: []
        case .trailing: try stream.logits(of: rows.count - trailing..<rows.count)
        case .all: try stream.logits(of: rows.indices)
        }
    }

    // MARK: Steps

    private var tiles: [Range<Int>] { ResidualStream.tiles(of: rows.indices) }

    /// Rotates the queries of some rows, by index, in place.
    func rotate(_ queries: UnsafeMutablePointer<Float>, of chosen: some RandomAccessCollection<Int>) {
        let configuration = model.configuration
        model.team.run(rows: chosen.count, width: configuration.queryWidth) { range in
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
        let attended = try scratch.attended.reserve(tile.count * model.configuration.queryWidth, of: Float.self)
        try attention.attend(
            rows: tile.count, queries, positions: positions(of: tile),
            into: .init(output: attended, logSums: logSums))
        try stream.addAttention(attended, to: tile, weights)
    }
}
