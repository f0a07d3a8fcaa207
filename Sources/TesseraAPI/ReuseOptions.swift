// SPDX-License-Identifier: Apache-2.0

/// How a prompt's KV is to come about: the `tessera` object of a request. Whatever is nil is the server's choice, which
/// is what the model's quality gate has passed.
public struct ReuseOptions: Codable, Sendable, Equatable, ClosedFields {
    /// `exact`, `stitched` or `parallel`.
    public var assembly: String?
    /// What picks the tokens to compute anew: `none`, `firstK`, `storedScore`, `deviation`, `deviationAttention`,
    /// `question`, `random` or `all`.
    public var selector: String?
    /// The share of the reused tokens that the selector picks, 0 … 1.
    public var ratio: Double?
    /// Short for the assembly `exact`.
    public var exact: Bool?
    /// The layer in which deviation is measured, 1 or more.
    public var checkLayer: Int?
    /// How many tokens of each chunk `firstK` picks.
    public var k: Int?
    /// Cache-Craft's α, for `storedScore`.
    public var alpha: Double?
    /// What deviation compares: `values` or `keys`.
    public var compare: String?
    /// Whether deviation narrows its choice from layer to layer.
    public var gradual: Bool?
    /// What `storedScore` ranks by: `peak` or `mean`.
    public var score: String?
    /// Whether `storedScore` stops for chunks that the question does not look at.
    public var focus: Bool?
    /// How many stale tokens `deviationAttention` computes anew before each token of the answer.
    public var repairs: Int?
    /// The seed of `random`.
    public var seed: UInt64?
    /// Which stored KV of a chunk may be used: `best`, `isolated` or `contextual`.
    public var variants: String?
    /// The temperature of attention to parallel contexts.
    public var temperature: Double?
    /// The scale of attention to parallel contexts.
    public var scale: Double?
    /// What shrinks the prompt's KV before the answer is written, with `budget`; a plan and a lease don't know it.
    public var press: String?
    /// How much of it stays: so many tokens a layer, or a share of them, `256` or `20%`.
    public var budget: String?
    /// Whether the values of tokens that go are merged into their neighbours.
    public var merge: Bool?
    /// The kind of the question, for a gate that was passed for some kinds only.
    public var kind: String?
    /// Whether the assembly may be used though the quality gate has not passed it.
    public var ungated: Bool?
    /// Whether chunks that were missing are kept once the answer is out; by default they are.
    public var keepsMisses: Bool?
    /// Whether the answer says what was decided for each context.
    public var explain: Bool?
    /// Whether the names of special tokens in the prompt of a completion stand for these tokens.
    public var specialTokens: Bool?

    /// Leaves whatever isn't given to the server.
    public init(
        assembly: String? = nil, selector: String? = nil, ratio: Double? = nil, ungated: Bool? = nil,
        explain: Bool? = nil
    ) {
        (self.assembly, self.selector, self.ratio) = (assembly, selector, ratio)
        (self.ungated, self.explain) = (ungated, explain)
    }

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case assembly, selector, ratio, exact, k, alpha, compare, gradual, score, focus, repairs, seed, variants,
            temperature, scale, press, budget, merge, kind, ungated, explain
        case checkLayer = "check_layer"
        case keepsMisses = "keeps_misses"
        case specialTokens = "special_tokens"
    }

    package static let fieldNames = CodingKeys.names
}
