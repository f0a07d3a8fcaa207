// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Keeps what the last tokens of the prompt look at, head by head.
///
/// SnapKV (Li et al., NeurIPS 2024, arXiv 2404.14469), §4: the attention of a window of the last tokens, summed over the
/// window and smoothed, votes for each token in front of it; the window itself stays. With grouped queries the votes of a
/// KV head's group are averaged. The window of 16 and the mean of 7 are the best of a development set for the fixture
/// models (`tessera bench compression`); CompressKV compares with 8 and 5.
public struct SnapKVPress: Press {
    /// The last tokens that vote.
    public var window: Int
    /// The width of the smoothing, odd.
    public var kernel: Int

    /// A press with a window and a smoothing.
    public init(window: Int = 16, kernel: Int = 7) {
        self.window = window
        self.kernel = kernel
    }

    /// `snapkv`.
    public var name: String { "snapkv" }
    /// The window's attention.
    public var needs: PressNeeds { PressNeeds(window: window) }

    /// The smoothed sums of each KV head.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a kernel that is not odd, and where no token votes.
    public func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
        try WindowAttention(view, kernel: kernel, for: self).scoresOfHeads(view)
    }
}
