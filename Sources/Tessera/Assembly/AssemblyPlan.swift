// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse

/// Which tokens of a prompt are computed, decided before layer 0 from what the store has: slots in, slots out.
struct AssemblyPlan: Sendable, Equatable {
    /// The chunks whose stored KV is used, in prompt order.
    var reused: [ReusedChunk]
    /// How tokens of these are picked to be computed anew.
    var selection: SelectionPlan
    /// The slots that enter layer 0, ascending.
    var computed: [Int]
    /// The slots behind the last context: the question and the template's text around it, at least the last token.
    var question: Range<Int>

    /// Plans a prompt.
    ///
    /// - Parameters:
    ///   - length: The tokens of the prompt; at least one.
    ///   - prefix: How many of them a stored leading run covers.
    ///   - hits: The chunks that the store has, not overlapping, ascending, behind the prefix.
    ///   - selector: What picks tokens of the hits.
    ///   - ratio: The share that it picks.
    ///   - layers: The layers of the model.
    ///   - contextsEnd: The first slot behind all contexts; by default that behind the last hit.
    init(
        length: Int, prefix: Int, hits: [ReusedChunk], selector: Selector, ratio: Double, layers: Int,
        contextsEnd: Int? = nil
    ) {
        reused = hits
        selection = selector.plan(chunks: hits, ratio: ratio, layers: layers)
        question = min(contextsEnd ?? hits.last?.slots.upperBound ?? prefix, length - 1)..<length
        let stored = Set(hits.flatMap { $0.slots })
        var picked = Set(selection.fixed)
        if case .measured = selection.choice { picked.formUnion(selection.candidates) }
        // Without the last token there are no logits, wherever its KV may come from.
        computed = (0..<length).filter { slot in
            slot == length - 1 || (slot >= prefix && (!stored.contains(slot) || picked.contains(slot)))
        }
    }

    /// The number of reused tokens.
    var reusedTokens: Int { reused.reduce(0) { $0 + $1.slots.count } }

    /// The number of reused tokens that the selector picks.
    var recomputedTokens: Int { selection.picked }

    /// Token-layers computed ÷ all token-layers of the reused tokens.
    func effectiveRecompute(layers: Int) -> Double {
        TesseraReuse.effectiveRecompute(
            computedReused: selection.computedReused(layers: layers), reused: reusedTokens)
    }

    /// The rows that are computed in each layer.
    func rows(layers: Int) -> [Int] {
        let perLayer = selection.computedReused(layers: layers)
        let others = computed.count - (perLayer.first ?? 0) + questionBudget
        return perLayer.map { others + $0 }
    }

    /// The first layer in which stored KV of chunks is read: below it, all of it is computed.
    var firstStoredLayer: Int {
        // Chunks of fixed choices are read from the bottom on, beside those that are measured.
        guard case .measured(_, let stages) = selection.choice, selection.candidates.count == reusedTokens else {
            return 0
        }
        return stages.first?.layer ?? 0
    }

    /// The tokens that a look of the question will choose; they are not among the computed ones yet.
    private var questionBudget: Int {
        if case .question(let budget) = selection.choice { budget } else { 0 }
    }
}
