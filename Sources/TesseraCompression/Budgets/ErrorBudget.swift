// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// The more tokens, the more a layer's output suffered when most of its tokens were evicted.
///
/// CompressKV (arXiv 2508.02401 v1), §3.3 and its algorithm 1: with the normalised errors ẽ (``evictionErrors(_:)``), a
/// least number m and a largest M, B_l = clip(m + round(ẽ_l · L · (mean − m)), m, M), rounding half to even; what is
/// missing then is added, one each, in the order of falling errors, and what is too much taken in the order of rising
/// ones, as long as M and m let it. Deviation: no layer gets more than there are tokens. ``CostBudget`` is what Tessera goes
/// by.
public struct ErrorBudget: LayerBudget {
    /// ẽ of each layer; they add up to 1.
    public var errors: [Double]
    /// m: what each layer gets in any case.
    public var least: Int
    /// M ÷ the mean: no layer gets more.
    public var most: Int

    /// A budget of measured errors.
    public init(errors: [Double], least: Int = 32, most: Int = 3) {
        self.errors = errors
        self.least = least
        self.most = most
    }

    /// `error`.
    public var name: String { "error" }

    /// The numbers of the algorithm.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a mean below m, an m or an M below 1, and for another model's
    ///   errors.
    public func counts(mean: Int, tokens: Int, scores: [TokenScores]) throws(TesseraError) -> [Int] {
        let layers = scores.count
        guard errors.count == layers else {
            throw TesseraError(
                .invalidInput,
                "eviction errors of \(errors.count) layers don't fit a model of \(layers); run `tessera calibrate heads` "
                    + "for this one")
        }
        guard areShares(errors) else {
            throw TesseraError(
                .invalidInput, "eviction errors are no less than 0 and add up to 1; run `tessera calibrate heads` again"
            )
        }
        guard least > 0, most > 0 else {
            throw TesseraError(
                .invalidInput,
                "each layer keeps at least 1 token and up to 1 or more times the mean, not \(least) and \(most)")
        }
        guard mean >= least else {
            throw TesseraError(
                .invalidInput,
                "budgets by eviction error keep at least \(least) tokens in each layer; \(mean) are too few")
        }
        let range = min(least, tokens)...min(min(most, layers) * mean, tokens)
        let free = Double(layers * (mean - least))
        var counts = errors.map { error in
            min(max(least + Int((error * free).rounded(.toNearestOrEven)), range.lowerBound), range.upperBound)
        }
        let order = errors.indices.sorted { (errors[$1], $0) < (errors[$0], $1) }
        spread(layers * mean - counts.reduce(0, +), over: &counts, order: order, in: range)
        return counts
    }
}

/// Whether numbers are shares of a whole, up to what rounding does.
func areShares(_ numbers: [Double]) -> Bool {
    numbers.allSatisfy { $0 >= 0 } && abs(numbers.reduce(0, +) - 1) < 1e-6
}

/// ẽ of CompressKV (its Eq. for layer budgets): errors of each layer in several sets of texts, each set's brought to the
/// sum 1 over layers, averaged, and brought to the sum 1 again.
///
/// - Parameter sets: (set, layer).
public func evictionErrors(_ sets: [[Double]]) -> [Double] {
    func normalised(_ errors: [Double]) -> [Double] {
        let sum = errors.reduce(0, +)
        return sum > 0 ? errors.map { $0 / sum } : errors.map { _ in 1 / Double(errors.count) }
    }
    guard let layers = sets.first?.count else { return [] }
    let shares = sets.map(normalised)
    return normalised((0..<layers).map { layer in shares.reduce(0) { $0 + $1[layer] } })
}
