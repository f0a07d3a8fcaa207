// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse
internal import TesseraRuntime

/// Computes more of the stale tokens anew while the answer is written.
///
/// KVShare (arXiv 2503.16525v2), §4, decode stage: the newest token's attention re-ranks the reused tokens that are still
/// stale, by attention × deviation, and the first few of them are computed together with the next token, through all
/// layers, each seeing the keys in front of it. Their deviations are those of the prompt's check layer; the attention is
/// that of the same layer.
final class DecodeRepair: DecodingCompanion, LayerObserver {
    private let perStep: Int
    private let layer: Int
    private let ids: [TokenID]
    private let heads: Int
    private var stale: Set<Int>
    private let deviations: [Int: Float]
    private var slot = 0
    private var received: [Float] = []

    /// How many tokens were computed anew.
    private(set) var repaired = 0

    /// Nil where the assembly asks for no repair, or nothing is stale.
    init?(
        _ request: AssembledRequest, after outcome: AssembledRequest.Outcome, assembly: Assembly,
        model: ModelDescription
    ) {
        guard case .stitched(.deviationAttention(let layer, let repairs), _, _) = assembly, repairs > 0 else {
            return nil
        }
        stale = Set(outcome.deviations.keys).subtracting(outcome.selected)
        guard !stale.isEmpty else { return nil }
        perStep = repairs
        self.layer = layer
        ids = request.ids
        heads = model.queryHeads
        deviations = outcome.deviations
    }

    var observer: (any LayerObserver)? { self }

    func rows(before step: Int) -> [(slot: Int, token: TokenID)] {
        slot = ids.count + step
        guard !received.isEmpty else { return [] }
        let candidates = stale.sorted()
        let scores = attendedDeviations(
            candidates.map { deviations[$0] ?? 0 }, received: candidates.map { received[$0] })
        let picked = indicesOfHighest(perStep, in: scores).map { candidates[$0] }
        stale.subtract(picked)
        repaired += picked.count
        return picked.map { (slot: $0, token: ids[$0]) }
    }

    func needs(of layer: Int) -> LayerNeeds {
        LayerNeeds(attentionOf: layer == self.layer && !stale.isEmpty ? [slot] : [])
    }

    func layerAttended(_ attention: LayerAttention) {
        guard attention.layer == layer, !attention.slots.isEmpty else { return }
        received = attentionReceived(
            attention.probabilities, heads: heads, keys: attention.probabilities.count / (attention.slots.count * heads)
        )
    }
}
