// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The residual stream of some rows on their way through the layers, with the norms and products in which no row sees
/// another.
struct ResidualStream {
    let model: LlamaModel
    let scratch: LayerScratch
    let residual: UnsafeMutablePointer<Float>  // (row, width)

    /// Rows in a tile. From 256 rows on the products run at full speed here.
    static let tile = 256

    /// Makes room for some rows.
    init(_ model: LlamaModel, rows: Int, scratch: LayerScratch) throws(TesseraError) {
        self.model = model
        self.scratch = scratch
        residual = try scratch.residual.reserve(rows * model.configuration.width, of: Float.self)
    }

    /// A range of rows in tiles.
    static func tiles(of range: Range<Int>) -> [Range<Int>] {
        stride(from: range.lowerBound, to: range.upperBound, by: tile).map { $0..<min($0 + tile, range.upperBound) }
    }

    private var width: Int { model.configuration.width }

    /// The logits of some rows, (row, vocabulary).
    func logits(of wanted: Range<Int>) throws(TesseraError) -> [Float] {
        let vocabulary = model.weights.vocabulary
        var failure: TesseraError?
        let logits = [Float](unsafeUninitializedCapacity: wanted.count * vocabulary) { out, count in
            guard let out = out.baseAddress else { return }
            do throws(TesseraError) {
                for tile in Self.tiles(of: wanted) {
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

    /// The norm of the residual stream of some rows, by index, ready for a product.
    func norm(
        _ chosen: some RandomAccessCollection<Int>, _ weight: [Float]
    ) throws(TesseraError) -> UnsafeMutablePointer<UInt8> {
        let (precision, epsilon) = (model.precision, model.configuration.epsilon)
        let rowBytes = width * precision.byteCount
        let out = try scratch.activations.reserve(chosen.count * rowBytes, of: UInt8.self)
        weight.withUnsafeBufferPointer { weight in
            guard let weight = weight.baseAddress else { return }
            model.team.run(rows: chosen.count, width: width) { range in
                for (place, row) in zip(range, chosen.dropFirst(range.lowerBound)) {
                    precision.norm(
                        residual + row * width, weight, epsilon: epsilon, count: width, into: out + place * rowBytes)
                }
            }
        }
        return out
    }

    /// residual += attention · Woᵀ
    ///
    /// - Parameter attended: What attention gave for the tile's rows, (row, query head, dimension).
    func addAttention(
        _ attended: UnsafePointer<Float>, to tile: Range<Int>, _ weights: LlamaWeights.Layer
    ) throws(TesseraError) {
        let (stride, precision) = (model.configuration.queryWidth, model.precision)
        let rowBytes = stride * precision.byteCount
        let ready = try scratch.activations.reserve(tile.count * rowBytes, of: UInt8.self)
        model.team.run(rows: tile.count, width: stride) { range in
            for row in range {
                precision.copy(attended + row * stride, count: stride, into: ready + row * rowBytes)
            }
        }
        try weights.attentionOutput.multiply(
            rows: tile.count, ready, adding: true, into: residual + tile.lowerBound * width)
    }

    /// residual += SwiGLU(norm(residual)) · Wdownᵀ
    func feedForward(_ tile: Range<Int>, _ weights: LlamaWeights.Layer) throws(TesseraError) {
        let (inner, precision) = (model.configuration.feedForwardWidth, model.precision)
        let both = try scratch.gateAndUp.reserve(tile.count * 2 * inner, of: Float.self)
        try weights.gateAndUp.multiply(
            rows: tile.count, try norm(tile, weights.feedForwardNorm), adding: false, into: both)
        let rowBytes = inner * precision.byteCount
        let ready = try scratch.activations.reserve(tile.count * rowBytes, of: UInt8.self)
        model.team.run(rows: tile.count, width: 2 * inner) { range in
            for row in range {
                let gate = both + row * 2 * inner
                precision.swiglu(gate: gate, up: gate + inner, count: inner, into: ready + row * rowBytes)
            }
        }
        try weights.down.multiply(rows: tile.count, ready, adding: true, into: residual + tile.lowerBound * width)
    }
}
