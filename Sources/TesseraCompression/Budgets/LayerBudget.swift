// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Says how many tokens each layer keeps, given how many they keep on average.
public protocol LayerBudget: Sendable {
    /// The budget's name in options and reports.
    var name: String { get }

    /// The tokens of each layer.
    ///
    /// - Parameters:
    ///   - mean: The tokens that a layer keeps on average, from 1 to `tokens`.
    ///   - tokens: The tokens that there are.
    ///   - scores: Those of each layer.
    /// - Returns: A number from 1 to `tokens` for each layer; together `mean` times the number of layers.
    /// - Throws: ``TesseraError`` of code `invalidInput` where the budget can't be shared out so.
    func counts(mean: Int, tokens: Int, scores: [TokenScores]) throws(TesseraError) -> [Int]
}

/// As many in every layer.
public struct UniformBudget: LayerBudget {
    /// The budget.
    public init() {}

    /// `uniform`.
    public var name: String { "uniform" }

    /// The mean, for each layer.
    public func counts(mean: Int, tokens: Int, scores: [TokenScores]) -> [Int] {
        Array(repeating: mean, count: scores.count)
    }
}
