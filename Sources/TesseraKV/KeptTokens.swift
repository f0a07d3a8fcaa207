// SPDX-License-Identifier: Apache-2.0

/// Which of a prompt's tokens keep their keys and values, layer by layer: what a press decides, and what a codec, a store
/// or a buffer then makes true.
///
/// Tokens keep their positions whatever is left out between them.
public struct KeptTokens: Sendable, Equatable {
    /// The tokens that there were.
    public let tokens: Int
    /// For each layer one set that all its KV heads share, or one set for each head; tokens ascending. The sets of a layer
    /// are equally large.
    public let layers: [[[Int]]]
    /// Whether the values of tokens that go are merged into those that stay (``KVBuffer/init(keeping:of:room:)``).
    public let merges: Bool

    /// Takes sets as they are.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput`, naming the layer, for sets that are empty, of different sizes,
    ///   not ascending, or beyond the tokens.
    public init(tokens: Int, layers: [[[Int]]], merges: Bool = false) throws(TesseraError) {
        for (layer, sets) in layers.enumerated() {
            guard let count = sets.first?.count, count > 0, sets.allSatisfy({ $0.count == count }) else {
                throw TesseraError(
                    .invalidInput, "layer \(layer) has no tokens to keep, or not as many in each KV head")
            }
            for set in sets {
                guard zip(set, set.dropFirst()).allSatisfy({ $0 < $1 }), set[0] >= 0, set[count - 1] < tokens else {
                    throw TesseraError(
                        .invalidInput, "layer \(layer)'s kept tokens are not an ascending part of the \(tokens)")
                }
            }
        }
        self.tokens = tokens
        self.layers = layers
        self.merges = merges
    }

    /// How many tokens a layer keeps.
    public func count(of layer: Int) -> Int { layers[layer][0].count }

    /// The kept share of all tokens in all layers.
    public var share: Double {
        let kept = layers.indices.reduce(0) { $0 + count(of: $1) }
        return Double(kept) / Double(max(1, tokens * layers.count))
    }
}
