// SPDX-License-Identifier: Apache-2.0

/// A layer in which reused tokens are compared, and how many of them go on from there.
public struct SelectionStage: Sendable, Hashable {
    /// The layer.
    public var layer: Int
    /// The tokens that go on.
    public var budget: Int

    /// Makes a stage.
    public init(layer: Int, budget: Int) {
        (self.layer, self.budget) = (layer, budget)
    }
}

/// The stages of CacheBlend's gradual filtering: first somewhat more tokens than the ratio asks for, then fewer and
/// fewer, the mean being the ratio.
///
/// CacheBlend (Yao et al., EuroSys 2025), §4.3, tells the principle without numbers, and the authors' code has a single
/// selection. Here the share falls in a straight line from 1.5 to 0.5 of the ratio, from the first layer that compares to
/// the last. Each stage's tokens are among the stage's before.
///
/// - Parameters:
///   - ratio: The mean share, 0 … 1.
///   - tokens: The reused tokens.
///   - firstLayer: The first layer that compares; 1 in the paper.
///   - layers: The model's layers.
public func gradualStages(ratio: Double, tokens: Int, firstLayer: Int, layers: Int) -> [SelectionStage] {
    let last = layers - 1
    guard firstLayer < last else {
        return [SelectionStage(layer: firstLayer, budget: recomputeBudget(ratio: ratio, tokens: tokens))]
    }
    return (firstLayer...last).map { layer in
        let share = ratio * (1.5 - Double(layer - firstLayer) / Double(last - firstLayer))
        return SelectionStage(layer: layer, budget: recomputeBudget(ratio: min(1, share), tokens: tokens))
    }
}
