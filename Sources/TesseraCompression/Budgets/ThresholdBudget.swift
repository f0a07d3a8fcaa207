// SPDX-License-Identifier: Apache-2.0

/// As many in each layer as score above one threshold, which all layers share.
///
/// KVzip (arXiv 2505.23416), §3.3, whose scores mean the same in every layer. Deviation: the paper's threshold is over heads
/// too, which makes caches of ragged heads; here a layer's tokens count by their best head, and all its heads keep as
/// many.
public struct ThresholdBudget: LayerBudget {
    /// What each layer gets in any case.
    public var least: Int

    /// A budget with a least number.
    public init(least: Int = 16) {
        self.least = least
    }

    /// `threshold`.
    public var name: String { "threshold" }

    /// The tokens of each layer among the best of all layers.
    public func counts(mean: Int, tokens: Int, scores: [TokenScores]) -> [Int] {
        let layers = scores.count
        let least = min(max(1, least), mean)
        var counts = Array(repeating: least, count: layers)
        var others: [(score: Float, layer: Int)] = []
        for (layer, scores) in scores.enumerated() {
            let best = scores.shared(.maximum).heads[0].sorted(by: >)
            others += best.dropFirst(least).map { (score: $0, layer: layer) }
        }
        others.sort { ($0.score, $1.layer) > ($1.score, $0.layer) }
        for other in others.prefix(layers * (mean - least)) { counts[other.layer] += 1 }
        return counts
    }
}
