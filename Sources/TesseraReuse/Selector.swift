// SPDX-License-Identifier: Apache-2.0

/// Picks which tokens of reused chunks are computed anew in the context where they stand now.
///
/// All of these run through the same partial prefill; they differ only in how they pick.
public enum Selector: Sendable, Hashable, Codable {
    /// Nothing: every chunk is used as it was stored. The lower control.
    case none
    /// The first `count` tokens of each reused chunk, in all layers: LegoLink.
    ///
    /// EPIC (Hu et al., ICML 2025), §4. The paper leaves the prompt's first chunk out, because it encodes each
    /// chunk at position 0, where the first one stands; here chunks are encoded behind a neutral prefix and stand
    /// behind the app's own system prompt, so the first chunk is linked like the others. Its k = 0, chunks encoded
    /// behind dummy tokens that are dropped, is ``none`` under a recipe of dummies.
    case firstK(count: Int)
    /// The tokens that paid most attention to what stood before their chunk when it was captured.
    ///
    /// Cache-Craft (Agarwal et al., SIGMOD 2025), §3; ``StoredScore`` says how many. A chunk whose variant has no scores
    /// is repaired by ``deviation``, in the paper's layer, with the same share; the result says how many of these there
    /// were.
    case storedScore(StoredScore = StoredScore())
    /// The tokens whose values (or keys), computed fresh in layer `layer`, are farthest from the stored ones.
    ///
    /// CacheBlend (Yao et al., EuroSys 2025), §4. By default one selection, on the squared difference of V, as in the
    /// authors' code; LMCache compares K. `gradual` narrows from layer to layer as the paper describes
    /// (``gradualStages(ratio:tokens:firstLayer:layers:)``). The mask is the true one, by position, where their code
    /// aligns it to the bottom right.
    ///
    /// The layers below `layer` are computed for every token. The paper selects in layer 1, and a higher layer costs
    /// more; but a model that resolves references higher up shows only there which tokens they change. In layer 0 a
    /// key depends on token and position alone, so a difference there is rounding noise.
    case deviation(layer: Int, of: Compared = .values, gradual: Bool = false)
    /// The tokens whose values deviate in layer `layer` and that the question reads there.
    ///
    /// KVShare (arXiv 2503.16525v2), §4: attention received × deviation of V. The paper adds up the attention of all
    /// tokens; here it is that of the tokens which are computed in any case, the question's above all, in the layer that
    /// compares. `repairs` is its decode stage: before each token of the answer, so many more of the still stale tokens
    /// are computed anew, those that the answer reads and that deviate; 0 leaves it out.
    case deviationAttention(layer: Int, repairs: Int = 0)
    /// The tokens that the question reads in the last layer.
    ///
    /// FusionRAG (arXiv 2601.12904), §4: the question is run over the chunks as they are stored first, and its attention
    /// in the last layer ranks them.
    case question
    /// Tokens drawn at random: the control that a selector must beat.
    case random(seed: UInt64)
    /// Every token: equal to a full prefill. The upper control.
    case all

    /// What ``deviation(layer:of:gradual:)`` compares.
    public enum Compared: String, Sendable, Hashable, Codable, CaseIterable {
        /// Values, as CacheBlend's authors do.
        case values
        /// Keys with RoPE applied, as LMCache does.
        case keys
    }

    /// The layer in which the papers select.
    public static let firstCheckLayer = 1

    /// ``deviation(layer:of:gradual:)`` as in the authors' code.
    public static let deviation = Selector.deviation(layer: firstCheckLayer)

    /// The selector's name in options and reports.
    public var name: String {
        switch self {
        case .none: "none"
        case .firstK: "firstK"
        case .storedScore: "storedScore"
        case .deviation: "deviation"
        case .deviationAttention: "deviationAttention"
        case .question: "question"
        case .random: "random"
        case .all: "all"
        }
    }

    /// Whether a ratio says how many tokens it picks; the others set their own number.
    public var takesRatio: Bool {
        switch self {
        case .storedScore(let options): options.alpha == nil
        case .deviation, .deviationAttention, .question, .random: true
        case .none, .firstK, .all: false
        }
    }

    /// The layer in which it compares fresh with stored KV; nil where it compares nothing.
    public var checkLayer: Int? {
        switch self {
        case .deviation(let layer, _, _), .deviationAttention(let layer, _): layer
        case .none, .firstK, .storedScore, .question, .random, .all: nil
        }
    }
}

/// How ``Selector/storedScore(_:)`` sets its budget.
public struct StoredScore: Sendable, Hashable, Codable {
    /// Cache-Craft's α: each chunk gets ⌈CFO · n⌉ tokens, its own best (§3, eq. 12–14).
    ///
    /// Nil takes the ratio of the prompt instead: one budget for all its chunks, tokens ranked by score × (1 − β′), so that
    /// selectors can be compared at equal ratios. A token of no rank is left as it is then.
    public var alpha: Double?
    /// Which of the scores that were stored counts.
    public var score: Score
    /// Whether the repair stops for chunks that the question does not look at (``FocusedChunks``).
    public var focuses: Bool

    /// How the attention that a token paid to the chunks before its own becomes one number.
    public enum Score: String, Sendable, Hashable, Codable, CaseIterable {
        /// Mean over query heads and layers: the paper's (eq. 14).
        case mean
        /// The highest of all query heads and of the layers from 1 to the middle.
        ///
        /// One head that binds a reference is enough to make a token stale, and drowns in the mean of dozens that look back
        /// a little all the time. On the fixture model the mean picks no better than chance, and this as well as deviation
        /// in layer 2, which has to compute two layers for it.
        case peak
    }

    /// Makes a choice; by default the ratio of the prompt counts, peaks rank, and nothing stops early.
    public init(alpha: Double? = nil, score: Score = .peak, focuses: Bool = false) {
        (self.alpha, self.score, self.focuses) = (alpha, score, focuses)
    }
}
