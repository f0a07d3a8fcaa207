// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// The tokens where they save most: what all layers lose by eviction, as it was measured of each, is made least.
///
/// It takes the place of CompressKV's ``ErrorBudget``, which knows one number of a layer and has to bound what follows
/// from it, by a number that suits one budget and not the next. Here each layer's cost is a curve over the share of tokens
/// that it keeps (``EvictionCosts``), of which the lower convex hull counts; next come, always, the tokens of the
/// steepest piece that is left, of equal ones the lowest layer's: the optimum of a sum of convex costs under one
/// constraint (Everett 1963, Shoham and Gersho 1988). What no curve asks for is spread evenly. What layers lose is taken
/// to add up, whichever others lose something too.
public struct CostBudget: LayerBudget {
    /// What eviction costs each layer.
    public var costs: EvictionCosts
    /// What each layer gets in any case.
    public var least: Int

    /// A budget of measured costs.
    public init(costs: EvictionCosts, least: Int = 16) {
        self.costs = costs
        self.least = least
    }

    /// `cost`.
    public var name: String { "cost" }

    /// The tokens of each layer.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a mean below the least, a least below 1, another model's costs,
    ///   and such as contradict themselves.
    public func counts(mean: Int, tokens: Int, scores: [TokenScores]) throws(TesseraError) -> [Int] {
        let layers = scores.count
        guard costs.layers.count == layers else {
            throw TesseraError(
                .invalidInput,
                "eviction costs of \(costs.layers.count) layers don't fit a model of \(layers); run "
                    + "`tessera calibrate heads` for this one")
        }
        guard costs.isConsistent else {
            throw TesseraError(
                .invalidInput, "the eviction costs contradict themselves; run `tessera calibrate heads` again")
        }
        guard least > 0 else {
            throw TesseraError(.invalidInput, "each layer keeps at least 1 token, not \(least)")
        }
        guard mean >= least else {
            throw TesseraError(
                .invalidInput,
                "budgets by eviction cost keep at least \(least) tokens in each layer; \(mean) are too few, raise --budget"
            )
        }
        var counts = Array(repeating: least, count: layers)
        var left = layers * (mean - least)
        for piece in pieces(tokens: tokens) {
            let given = min(piece.tokens, left)
            counts[piece.layer] += given
            left -= given
        }
        spread(left, over: &counts, order: Array(0..<layers), in: least...tokens)
        return counts
    }

    /// Some tokens of a layer, each of which saves as much.
    private struct Piece {
        var layer: Int
        var tokens: Int
        /// Of what the costs are of, per share of tokens.
        var saves: Double
    }

    /// All that saves anything, the most saving first.
    private func pieces(tokens: Int) -> [Piece] {
        var pieces: [Piece] = []
        for layer in costs.layers.indices {
            let hull = costs.hull(of: layer)
            for (index, (start, end)) in zip(hull, hull.dropFirst()).enumerated() where start.cost > end.cost {
                // The first piece reaches down to nothing: below what was measured, costs rise at least as steeply.
                let from = index == 0 ? 0 : Int((start.share * Double(tokens)).rounded())
                let to = Int((end.share * Double(tokens)).rounded())
                let count = max(to, least) - max(from, least)
                let saves = (start.cost - end.cost) / (end.share - start.share)
                if count > 0 { pieces.append(Piece(layer: layer, tokens: count, saves: saves)) }
            }
        }
        return pieces.sorted { ($1.saves, $0.layer) < ($0.saves, $1.layer) }
    }
}
