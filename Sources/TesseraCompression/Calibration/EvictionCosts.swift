// SPDX-License-Identifier: Apache-2.0

/// What it costs that one layer alone forgets a part of a prompt, at several shares of tokens that it keeps.
public struct EvictionCosts: Sendable, Equatable, Codable {
    /// The shares of tokens that are kept, rising, above 0 and below 1.
    public var shares: [Double]
    /// How much of a right answer is lost, (layer, share): 1 − exp(−D), with D the KL(whole ‖ evicted) of the next token in
    /// nats, summed over the answer's tokens; the mean over answers of a kind, and over kinds. The mean of D itself would
    /// be that of the few answers that are furthest off.
    public var layers: [[Double]]

    /// Costs of all their parts.
    public init(shares: [Double], layers: [[Double]]) {
        self.shares = shares
        self.layers = layers
    }

    /// Whether there are as many costs as shares, all of them possible.
    var isConsistent: Bool {
        !shares.isEmpty && shares.allSatisfy { $0 > 0 && $0 < 1 }
            && zip(shares, shares.dropFirst()).allSatisfy { $0 < $1 }
            && layers.allSatisfy { costs in
                costs.count == shares.count && costs.allSatisfy { (0...1).contains($0) }
            }
    }

    /// The lower convex hull of a layer's costs, from the smallest share to 1, where nothing is lost: the shares that it is
    /// worth to keep. Between two of its corners each token saves as much.
    func hull(of layer: Int) -> [(share: Double, cost: Double)] {
        var hull: [(share: Double, cost: Double)] = []
        for point in zip(shares + [1], layers[layer] + [0]) {
            let next = (share: point.0, cost: point.1)
            while let last = hull.last, let before = hull.dropLast().last,
                (last.cost - before.cost) * (next.share - before.share)
                    >= (next.cost - before.cost) * (last.share - before.share)
            {
                hull.removeLast()
            }
            hull.append(next)
        }
        return hull
    }
}
