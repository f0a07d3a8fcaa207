// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// A press with all that goes with it: how much stays, in which layers, and who has to agree.
public struct PressPlan: Sendable {
    /// Who has to keep the same tokens.
    public enum Agreement: String, Sendable, Codable {
        /// Nobody more than the press's scores ask for: each KV head has a set of its own where it has scores of its own.
        case scored
        /// All KV heads of a layer.
        case layer
        /// All layers. What goes back into a store needs it: selective recompute takes whole rows.
        case prompt
    }

    /// The plan's name in options and reports: that of the paper, which may be another than its press's.
    public var name: String
    /// Scores the tokens.
    public var press: any Press
    /// How many stay.
    public var budget: PressBudget
    /// How they are shared out over layers.
    public var layers: any LayerBudget
    /// Who keeps the same ones.
    public var agreement: Agreement
    /// Whether the values of tokens that go are merged into their nearest neighbours that stay: Elastic Cache
    /// (``KeptTokens/merges``).
    public var merges: Bool

    /// A plan of all its parts; without a name it has its press's.
    public init(
        _ press: any Press, budget: PressBudget, layers: any LayerBudget = UniformBudget(),
        agreement: Agreement = .scored, merges: Bool = false, name: String? = nil
    ) {
        self.name = name ?? press.name
        self.press = press
        self.budget = budget
        self.layers = layers
        self.agreement = agreement
        self.merges = merges
    }

    /// Whether a prompt has more tokens than would stay: others are left whole.
    public func presses(tokens: Int) -> Bool {
        if case .tokens(let count) = budget { tokens > count } else { true }
    }

    /// Picks the tokens that stay: in each set those of the highest scores, of equal ones the later.
    ///
    /// - Parameter scores: Those of each layer, of the same tokens.
    /// - Throws: ``TesseraError`` of code `invalidInput` for a budget that exceeds the tokens or does not hold those that
    ///   are protected, and for scores that are not numbers, naming the layer.
    public func keep(_ scores: [TokenScores]) throws(TesseraError) -> KeptTokens {
        guard let tokens = scores.first?.tokens, tokens > 0 else {
            throw TesseraError(.invalidInput, "there is nothing to press: the prompt has no tokens")
        }
        for (layer, scores) in scores.enumerated() {
            guard scores.heads.allSatisfy({ $0.allSatisfy { !$0.isNaN } }) else {
                throw .notFinite(press, layer: layer)
            }
        }
        let mean = try budget.count(of: tokens)
        if agreement == .prompt {
            let agreed = TokenScores.shared(scores, press.reduction)
            let set = try Self.highest(mean, of: agreed.heads[0], layer: 0)
            return try KeptTokens(
                tokens: tokens, layers: Array(repeating: [set], count: scores.count), merges: merges)
        }
        let agreed = agreement == .layer ? scores.map { $0.shared(press.reduction) } : scores
        let counts = try layers.counts(mean: mean, tokens: tokens, scores: agreed)
        var kept: [[[Int]]] = []
        for (layer, scores) in agreed.enumerated() {
            var sets: [[Int]] = []
            for head in scores.heads { sets.append(try Self.highest(counts[layer], of: head, layer: layer)) }
            kept.append(sets)
        }
        return try KeptTokens(tokens: tokens, layers: kept, merges: merges)
    }

    private static func highest(_ count: Int, of scores: [Float], layer: Int) throws(TesseraError) -> [Int] {
        let protected = scores.count { $0 == .infinity }
        guard count >= protected else {
            throw TesseraError(
                .invalidInput,
                "a budget of \(count) tokens in layer \(layer) does not hold the \(protected) that are protected; "
                    + "raise --budget")
        }
        return scores.indices.sorted { (scores[$0], $0) > (scores[$1], $1) }.prefix(count).sorted()
    }
}
