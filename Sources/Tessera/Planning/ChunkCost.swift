// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// What computing a chunk takes, in tokens of a short one: a long chunk takes more for each of its tokens, as each sees more
/// keys.
///
/// It goes by the model's shape alone, so that a chunk's cost is the same every day. A layer has about 12 · width² weights, and
/// a key that a token sees takes as much as 2 · (width of all query heads) of them. What was measured on the machine would
/// change the unit, which no policy needs to know.
struct ChunkCost: Sendable {
    /// The keys that cost a token as much as its products with the weights.
    private let keys: Double

    init(_ model: ModelDescription) {
        let attention = Double(max(1, model.queryHeads * model.layout.headDimension))
        keys = 6 * Double(model.width) * Double(model.width) / attention
    }

    /// The cost of a chunk of so many tokens, each of which sees half of them on average.
    func callAsFunction(_ tokens: Int) -> Double {
        Double(tokens) * (1 + Double(tokens) / 2 / max(1, keys))
    }
}
