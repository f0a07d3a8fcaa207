// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// What a press makes of a layer: a score for each token, of the whole layer or of each KV head.
///
/// An infinite score is a token that stays; a score of minus infinity is one that goes before all others.
public struct TokenScores: Sendable, Equatable {
    /// How several scores of a token become one.
    public enum Reduction: String, Sendable, Codable {
        /// Their mean: what the token is worth on the whole.
        case mean
        /// The highest: what it is worth to the one who needs it most.
        case maximum
    }

    /// The scores of the layer, or of each KV head, by token.
    public private(set) var heads: [[Float]]

    /// One score per token, for all KV heads.
    public init(shared: [Float]) {
        heads = [shared]
    }

    /// A score per token in each KV head.
    public init(heads: [[Float]]) {
        precondition(!heads.isEmpty && heads.allSatisfy { $0.count == heads[0].count }, "as many tokens in each head")
        self.heads = heads
    }

    /// The number of tokens.
    public var tokens: Int { heads[0].count }

    /// Makes these tokens stay.
    public mutating func protect(_ tokens: some Sequence<Int>) {
        for token in tokens {
            for head in heads.indices { heads[head][token] = .infinity }
        }
    }

    /// Makes the first tokens stay, all of a prompt that has fewer.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for less than 0.
    public mutating func protect(first count: Int) throws(TesseraError) {
        guard count >= 0 else {
            throw TesseraError(.invalidInput, "no fewer than 0 tokens can be protected, and \(count) were asked for")
        }
        protect(0..<min(count, tokens))
    }

    /// Makes the last tokens stay, all of a prompt that has fewer.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for less than 0.
    public mutating func protect(last count: Int) throws(TesseraError) {
        guard count >= 0 else {
            throw TesseraError(.invalidInput, "no fewer than 0 tokens can be protected, and \(count) were asked for")
        }
        protect(tokens - min(count, tokens)..<tokens)
    }

    /// One score per token for all KV heads.
    public func shared(_ reduction: Reduction) -> TokenScores {
        TokenScores(shared: Self.reduce(heads, reduction))
    }

    /// One score per token for all of some layers.
    public static func shared(_ layers: [TokenScores], _ reduction: Reduction) -> TokenScores {
        TokenScores(shared: reduce(layers.flatMap(\.heads), reduction))
    }

    private static func reduce(_ scores: [[Float]], _ reduction: Reduction) -> [Float] {
        guard scores.count > 1, let tokens = scores.first?.count else { return scores.first ?? [] }
        return (0..<tokens).map { token in
            let highest = scores.reduce(-Float.infinity) { max($0, $1[token]) }
            // One that has to stay stays, whatever the others say; a mean of infinities would be no number.
            guard reduction == .mean, highest < .infinity else { return highest }
            // Doubles hold the sum of any Floats: large scores must not become infinite.
            return Float(scores.reduce(0) { $0 + Double($1[token]) } / Double(scores.count))
        }
    }
}
