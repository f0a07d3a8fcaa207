// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The next token of several answers at once: one row for each, through all layers.
///
/// Products take all rows together, which is where the time goes: the weights are read once for all of them. Attention
/// takes each row over the keys of its own request.
struct DecodePass {
    private let model: LlamaModel
    private let scratch: LayerScratch
    private let steps: [DecodeStep]
    private let angles: RotaryAngles
    private let stream: ResidualStream
    private let spans: [[KeyAttention.Span]]

    init(_ model: LlamaModel, _ steps: [DecodeStep], scratch: LayerScratch) throws(TesseraError) {
        for step in steps { try step.call.check(model, step.buffer) }
        self.model = model
        self.scratch = scratch
        self.steps = steps
        angles = model.rotary.angles(at: steps.map { $0.buffer.positions[$0.slot] })
        stream = try ResidualStream(model, rows: steps.count, scratch: scratch)
        spans = steps.map { KeyAttention.Span.all(of: $0.call) }
    }

    /// The logits of all rows, (step, vocabulary).
    func run() throws(TesseraError) -> [Float] {
        try model.embed(steps.map(\.token), into: stream.residual)
        for layer in 0..<model.configuration.layers {
            let weights = model.weights.layers[layer]
            for tile in ResidualStream.tiles(of: steps.indices) { try store(tile, layer, weights) }
            for tile in ResidualStream.tiles(of: steps.indices) {
                try attend(tile, layer, weights)
                try stream.feedForward(tile, weights)
            }
        }
        return try stream.logits(of: steps.indices)
    }

    /// Fresh keys, rotated, and values, each into its own request's buffer.
    private func store(_ tile: Range<Int>, _ layer: Int, _ weights: LlamaWeights.Layer) throws(TesseraError) {
        let layout = model.configuration.layout
        let fresh = try scratch.keysAndValues.reserve(tile.count * 2 * layout.width, of: Float.self)
        try weights.keysAndValues.multiply(
            rows: tile.count, try stream.norm(tile, weights.attentionNorm), adding: false, into: fresh)
        for (row, index) in tile.enumerated() {
            let (buffer, slot) = (steps[index].buffer, steps[index].slot)
            guard let keys = buffer.keys(of: layer).baseAddress, let values = buffer.values(of: layer).baseAddress
            else { continue }
            let (own, place) = (fresh + row * 2 * layout.width, buffer.row(of: slot, in: layer) * layout.width)
            angles.rotate(own, row: index, heads: layout.heads, dimension: layout.headDimension, into: keys + place)
            (values + place).update(from: own + layout.width, count: layout.width)
        }
    }

    private func attend(_ tile: Range<Int>, _ layer: Int, _ weights: LlamaWeights.Layer) throws(TesseraError) {
        let configuration = model.configuration
        let width = configuration.queryWidth
        let queries = try scratch.queries.reserve(tile.count * width, of: Float.self)
        try weights.query.multiply(
            rows: tile.count, try stream.norm(tile, weights.attentionNorm), adding: false, into: queries)
        let attended = try scratch.attended.reserve(tile.count * width, of: Float.self)
        for (row, index) in tile.enumerated() {
            let query = queries + row * width
            angles.rotate(
                query, row: index, heads: configuration.queryHeads, dimension: configuration.headDimension, into: query)
            try attend(index, layer, query, into: attended + row * width)
        }
        try stream.addAttention(attended, to: tile, weights)
    }

    private func attend(
        _ index: Int, _ layer: Int, _ query: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>
    ) throws(TesseraError) {
        let step = steps[index]
        let position = step.buffer.positions[step.slot]
        try step.buffer.positions(of: layer).withUnsafeBufferPointer { positions throws(TesseraError) in
            guard let start = positions.baseAddress else { return }
            let attention = try KeyAttention(
                model, scratch, step.buffer, layer: layer, positions: start, spans: spans[index], packs: false)
            try attention.attend(rows: 1, query, positions: [position], into: .init(output: out))
        }
    }
}

extension DecodeStep {
    /// The same step as a call of its own.
    var call: PartialPrefill {
        PartialPrefill(
            input: .tokens([token]), slots: [slot], keyCount: slot + 1, logits: .last, parallel: parallel)
    }
}
