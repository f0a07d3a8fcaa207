// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Picks which tokens of reused chunks are computed anew in the context where they stand now.
///
/// All of these run through the same partial prefill; they differ only in how they pick.
public enum Selector: Sendable, Hashable {
    /// Nothing: every chunk is used as it was stored. The lower control.
    case none
    /// The first `count` tokens of each reused chunk, in all layers: LegoLink.
    ///
    /// EPIC (Hu et al., ICML 2025), §4. The paper leaves the prompt's first chunk out, because it encodes each
    /// chunk at position 0, where the first one stands; here chunks are encoded behind a neutral prefix and stand
    /// behind the app's own system prompt, so the first chunk is linked like the others.
    case firstK(count: Int)
    /// The tokens whose values, computed fresh in layer `layer`, are farthest from the stored ones.
    ///
    /// CacheBlend (Yao et al., EuroSys 2025), §4. One selection, on the squared difference of V, as in the authors'
    /// code; the mask is the true one, by position, where their code aligns it to the bottom right.
    ///
    /// The layers below `layer` are computed for every token. The paper selects in layer 1, and a higher layer costs
    /// more; but a model that resolves references higher up shows only there which tokens they change. In layer 0 a
    /// key depends on token and position alone, so a difference there is rounding noise.
    case deviation(layer: Int)
    /// Tokens drawn at random: the control that a selector must beat.
    case random(seed: UInt64)
    /// Every token: equal to a full prefill. The upper control.
    case all

    /// The layer in which the paper selects.
    public static let firstCheckLayer = 1

    /// ``deviation(layer:)`` as in the paper.
    public static let deviation = Selector.deviation(layer: firstCheckLayer)

    /// The selector's name in options and reports.
    public var name: String {
        switch self {
        case .none: "none"
        case .firstK: "firstK"
        case .deviation: "deviation"
        case .random: "random"
        case .all: "all"
        }
    }
}

/// What a selector decides before layer 0.
public enum SelectionPlan: Sendable, Equatable {
    /// These slots of reused chunks are computed in every layer; ascending.
    case fixed([Int])
    /// All reused slots are computed up to `layer`; the `budget` slots whose values deviate most go on from there.
    case byDeviation(layer: Int, budget: Int)
}

extension Selector {
    /// The plan for a prompt.
    ///
    /// - Parameters:
    ///   - chunks: The slots of each reused chunk, in prompt order, not overlapping.
    ///   - ratio: The share of all reused tokens to compute anew, 0 … 1; ``none``, ``firstK(count:)`` and ``all`` set
    ///     their own.
    ///   - layers: The number of layers of the model. One that ends below the layer of ``deviation(layer:)`` leaves
    ///     nothing to select, so all is computed.
    public func plan(chunks: [Range<Int>], ratio: Double, layers: Int) -> SelectionPlan {
        let slots = chunks.flatMap { $0 }
        let budget = recomputeBudget(ratio: ratio, tokens: slots.count)
        switch self {
        case .none: return .fixed([])
        case .all: return .fixed(slots)
        case .firstK(let count): return .fixed(chunks.flatMap { $0.prefix(count) })
        case .random(let seed): return .fixed(randomSubset(of: slots, count: budget, seed: seed))
        case .deviation where budget == 0: return .fixed([])
        case .deviation(let layer) where budget == slots.count || layers <= layer: return .fixed(slots)
        case .deviation(let layer): return .byDeviation(layer: layer, budget: budget)
        }
    }
}

/// The number of tokens that a ratio stands for: rounded up, so that any ratio above 0 recomputes something.
public func recomputeBudget(ratio: Double, tokens: Int) -> Int {
    min(tokens, Int((ratio * Double(tokens)).rounded(.up)))
}

/// `count` of `slots`, ascending, each subset equally likely; the same for the same seed.
func randomSubset(of slots: [Int], count: Int, seed: UInt64) -> [Int] {
    var generator = SplitMix64(seed: seed)
    return slots.shuffled(using: &generator).prefix(count).sorted()
}
