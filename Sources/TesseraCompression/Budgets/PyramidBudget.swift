// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Many tokens in the lowest layers and few in the highest, in equal steps.
///
/// PyramidKV (Cai et al., arXiv 2406.02069), §3: low layers gather from everywhere, high layers look at little. Beside the
/// window, which all layers keep, the highest layer has 1/β of the mean and the lowest what makes the mean of both right,
/// or all tokens if it were more.
public struct PyramidBudget: LayerBudget {
    /// How steep it is: the highest layer keeps 1/β of the mean.
    public var steepness: Int
    /// The window, which no layer goes without.
    public var window: Int

    /// A budget of its two numbers.
    public init(steepness: Int = 20, window: Int = 16) {
        self.steepness = steepness
        self.window = window
    }

    /// `pyramid`.
    public var name: String { "pyramid" }

    /// Falling numbers. What rounding leaves over goes to the lowest layers, one each.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a steepness below 1, or a mean below the window.
    public func counts(mean: Int, tokens: Int, scores: [TokenScores]) throws(TesseraError) -> [Int] {
        guard steepness > 0, window >= 0 else {
            throw TesseraError(
                .invalidInput,
                "a pyramid has a steepness of 1 or more and no negative window, not \(steepness), \(window)")
        }
        guard mean > window else {
            throw TesseraError(
                .invalidInput,
                "a pyramid of \(mean) tokens a layer does not hold the window of \(window); raise --budget")
        }
        let layers = scores.count
        guard layers > 1 else { return [mean] }
        let share = mean - window
        var least = max(1, share / steepness)
        var most = 2 * share - least
        if most > tokens - window { (most, least) = (tokens - window, 2 * share - (tokens - window)) }
        var counts = (0..<layers).map { layer in
            window + most - Int((Double(layer * (most - least)) / Double(layers - 1)).rounded())
        }
        spread(layers * mean - counts.reduce(0, +), over: &counts, order: Array(0..<layers), in: window + 1...tokens)
        return counts
    }
}

/// Adds or takes one at a time, layer by layer, until the residual is used up or no layer has room.
///
/// - Parameter order: Of the layers when adding; taking goes the other way.
func spread(_ residual: Int, over counts: inout [Int], order: [Int], in range: ClosedRange<Int>) {
    var left = residual
    let order = residual > 0 ? order : order.reversed()
    while left != 0 {
        let before = left
        for layer in order where left != 0 {
            let next = counts[layer] + left.signum()
            guard range.contains(next) else { continue }
            counts[layer] = next
            left -= left.signum()
        }
        guard left != before else { return }
    }
}
