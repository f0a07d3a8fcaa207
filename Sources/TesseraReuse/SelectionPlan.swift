// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// What a selector decides before layer 0: which reused tokens are computed, and how the rest of the choice is made.
public struct SelectionPlan: Sendable, Equatable {
    /// How tokens are chosen while the prompt is computed.
    public enum Choice: Sendable, Equatable {
        /// Nothing is left to choose.
        case settled
        /// All candidates are computed up to the first stage's layer; in each stage those that score highest go on.
        case measured(Measure, [SelectionStage])
        /// A look of the question at the stored KV chooses so many candidates, which are computed in every layer.
        case question(budget: Int)
    }

    /// What candidates are scored by where they are measured.
    public enum Measure: Sendable, Hashable {
        /// The squared difference of fresh and stored values.
        case values
        /// The squared difference of fresh and stored keys.
        case keys
        /// The absolute difference of values × the attention received.
        case attendedValues
    }

    /// Slots that are computed in every layer; ascending.
    public var fixed: [Int] = []
    /// Slots that are chosen from; ascending.
    public var candidates: [Int] = []
    /// How they are chosen.
    public var choice = Choice.settled
    /// Chunks that lacked the scores that were asked for.
    public var unscoredChunks = 0

    /// A plan of fixed slots.
    public static func fixed(_ slots: [Int]) -> SelectionPlan { SelectionPlan(fixed: slots) }

    /// The reused tokens that are picked in the end.
    public var picked: Int {
        switch choice {
        case .settled: fixed.count
        case .question(let budget): fixed.count + budget
        case .measured(_, let stages): fixed.count + (stages.last?.budget ?? candidates.count)
        }
    }

    /// The reused tokens that are computed in each layer.
    public func computedReused(layers: Int) -> [Int] {
        guard case .measured(_, let stages) = choice else { return Array(repeating: picked, count: layers) }
        return (0..<layers).map { layer in
            fixed.count + (stages.last { $0.layer <= layer }?.budget ?? candidates.count)
        }
    }
}

extension Selector {
    /// The plan for a prompt.
    ///
    /// - Parameters:
    ///   - chunks: The reused chunks, in prompt order, not overlapping.
    ///   - ratio: The share of all reused tokens to compute anew, 0 … 1; selectors that set their own number ignore it.
    ///   - layers: The number of layers of the model. One that ends below the layer that would compare leaves nothing to
    ///     select, so all is computed.
    public func plan(chunks: [ReusedChunk], ratio: Double, layers: Int) -> SelectionPlan {
        let slots = chunks.flatMap { $0.slots }
        let budget = recomputeBudget(ratio: ratio, tokens: slots.count)
        guard !takesRatio || (budget > 0 && budget < slots.count) else { return .fixed(budget == 0 ? [] : slots) }
        switch self {
        case .none: return .fixed([])
        case .all: return .fixed(slots)
        case .firstK(let count): return .fixed(chunks.flatMap { $0.slots.prefix(count) })
        case .random(let seed): return .fixed(randomSubset(of: slots, count: budget, seed: seed))
        case .question: return SelectionPlan(candidates: slots, choice: .question(budget: budget))
        case .storedScore(let options): return storedScorePlan(chunks, options, ratio: ratio, layers: layers)
        case .deviation(let layer, let compared, let gradual):
            let stages =
                gradual
                ? gradualStages(ratio: ratio, tokens: slots.count, firstLayer: layer, layers: layers)
                : [SelectionStage(layer: layer, budget: budget)]
            return measured(slots, compared == .values ? .values : .keys, stages, layers: layers)
        case .deviationAttention(let layer, _):
            return measured(
                slots, .attendedValues, [SelectionStage(layer: layer, budget: budget)], layers: layers)
        }
    }
}

/// A plan that measures, or computes all where the model ends before it could.
private func measured(
    _ slots: [Int], _ measure: SelectionPlan.Measure, _ stages: [SelectionStage], layers: Int
) -> SelectionPlan {
    guard let first = stages.first, first.layer < layers else { return .fixed(slots) }
    return SelectionPlan(candidates: slots, choice: .measured(measure, stages))
}

/// Scored chunks by their scores; the others, if there are any, by deviation with the same share.
private func storedScorePlan(
    _ chunks: [ReusedChunk], _ options: StoredScore, ratio: Double, layers: Int
) -> SelectionPlan {
    // A chunk that stands in the very context it was captured in needs no repair, scores or not.
    let unscored = chunks.filter { $0.scores == nil && $0.overlap < 1 }
    let candidates = unscored.flatMap { $0.slots }
    let budget: Int
    var plan: SelectionPlan
    if let alpha = options.alpha {
        plan = .fixed(chunks.flatMap { bestTokens(of: $0, alpha: alpha) })
        budget = unscored.reduce(0) { $0 + fixBudget(overhead: min(1, alpha * $1.overhead), tokens: $1.slots.count) }
    } else {
        let scored = chunks.filter { $0.scores != nil }
        plan = .fixed(bestTokens(of: scored, ratio: ratio))
        budget = recomputeBudget(ratio: ratio, tokens: candidates.count)
    }
    plan.unscoredChunks = unscored.count
    let layer = Selector.firstCheckLayer
    if budget == candidates.count || (budget > 0 && layer >= layers) {
        plan.fixed = (plan.fixed + candidates).sorted()
    } else if budget > 0 {
        plan.candidates = candidates
        plan.choice = .measured(.values, [SelectionStage(layer: layer, budget: budget)])
    }
    return plan
}

/// Cache-Craft's choice in one chunk: its ⌈CFO · n⌉ tokens of the highest scores.
private func bestTokens(of chunk: ReusedChunk, alpha: Double) -> [Int] {
    guard let scores = chunk.scores else { return [] }
    let budget = fixBudget(overhead: min(1, alpha * chunk.overhead), tokens: scores.count)
    return indicesOfHighest(budget, in: scores).map { chunk.slots.lowerBound + $0 }
}

/// One budget for several chunks: the tokens of the highest score × (1 − β′), as far as that is more than nothing.
private func bestTokens(of chunks: [ReusedChunk], ratio: Double) -> [Int] {
    let slots = chunks.flatMap { $0.slots }
    let ranks = chunks.flatMap { chunk in
        (chunk.scores ?? []).map { $0 * Float(1 - chunk.overlap) }
    }
    let best = indicesOfHighest(recomputeBudget(ratio: ratio, tokens: slots.count), in: ranks)
    return best.filter { ranks[$0] > 0 || ranks[$0].isNaN }.map { slots[$0] }
}

/// The number of tokens that a ratio stands for: rounded up, so that any ratio above 0 recomputes something.
public func recomputeBudget(ratio: Double, tokens: Int) -> Int {
    // A product that is a whole number but for rounding stands for that number.
    let exact = ratio * Double(tokens)
    let near = exact.rounded()
    return min(
        tokens, Int(abs(exact - near) < 1e-9 * Double(tokens) ? max(near, exact > 0 ? 1 : 0) : exact.rounded(.up)))
}

/// `count` of `slots`, ascending, each subset equally likely; the same for the same seed.
func randomSubset(of slots: [Int], count: Int, seed: UInt64) -> [Int] {
    var generator = SplitMix64(seed: seed)
    return slots.shuffled(using: &generator).prefix(count).sorted()
}
