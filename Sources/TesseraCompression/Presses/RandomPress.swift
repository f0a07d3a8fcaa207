// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Keeps tokens drawn at random, others in each layer: the control that a press must beat.
public struct RandomPress: Press {
    /// What the draw begins with.
    public var seed: UInt64

    /// A press of a seed.
    public init(seed: UInt64 = 1) {
        self.seed = seed
    }

    /// `random`.
    public var name: String { "random" }
    /// Nothing.
    public var needs: PressNeeds { PressNeeds() }

    /// Numbers from 0 to 1.
    public func scores(of view: LayerView) -> TokenScores {
        var random = SplitMix64(seed: seed &+ UInt64(view.layer))
        return TokenScores(shared: (0..<view.tokens).map { _ in Float.random(in: 0..<1, using: &random) })
    }
}
