// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse

/// Which tokens of a prompt are computed, decided before layer 0 from what the store has: slots in, slots out.
struct AssemblyPlan: Sendable, Equatable {
    /// The slots of each chunk whose stored KV is used, in prompt order.
    var reused: [Range<Int>]
    /// How tokens of these are picked to be computed anew.
    var selection: SelectionPlan
    /// The slots that enter layer 0, ascending.
    var computed: [Int]

    /// Plans a prompt.
    ///
    /// - Parameters:
    ///   - length: The tokens of the prompt; at least one.
    ///   - prefix: How many of them a stored leading run covers.
    ///   - hits: The slots of chunks that the store has, not overlapping, ascending, behind the prefix.
    ///   - selector: What picks tokens of the hits.
    ///   - ratio: The share that it picks.
    ///   - layers: The layers of the model.
    init(length: Int, prefix: Int, hits: [Range<Int>], selector: Selector, ratio: Double, layers: Int) {
        reused = hits
        selection = selector.plan(chunks: hits, ratio: ratio, layers: layers)
        let stored = Set(hits.flatMap { $0 })
        let picked: Set<Int> =
            switch selection {
            case .fixed(let slots): Set(slots)
            case .byDeviation: stored
            }
        // Without the last token there are no logits, wherever its KV may come from.
        computed = (0..<length).filter { slot in
            slot == length - 1 || (slot >= prefix && (!stored.contains(slot) || picked.contains(slot)))
        }
    }

    /// The number of reused tokens.
    var reusedTokens: Int { reused.reduce(0) { $0 + $1.count } }

    /// The number of reused tokens that the selector picks.
    var recomputedTokens: Int {
        switch selection {
        case .fixed(let slots): slots.count
        case .byDeviation(_, let budget): budget
        }
    }

    /// Token-layers computed ÷ all token-layers of the reused tokens.
    func effectiveRecompute(layers: Int) -> Double {
        let perLayer = (0..<layers).map { layer in
            if case .byDeviation(let check, _) = selection, layer < check { return reusedTokens }
            return recomputedTokens
        }
        return TesseraReuse.effectiveRecompute(computedReused: perLayer, reused: reusedTokens)
    }

    /// The first layer in which stored KV of chunks is read: below it, all of it is computed.
    var firstStoredLayer: Int {
        if case .byDeviation(let check, _) = selection { return check }
        return 0
    }
}
