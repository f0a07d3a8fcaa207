// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Keeps what a layer's semantic retrieval heads look at: one set of tokens for all heads of a layer.
///
/// CompressKV (arXiv 2508.02401 v1), §3: heads that only look at the first and the nearest tokens drown the votes of those
/// that gather what an answer is made of, so only the latter vote, each layer's best four by
/// ``retrievalScores(_:heads:counted:span:)``. The rest is SnapKV's: a window, its sums, their smoothing. It goes with ``ErrorBudget``.
///
/// The window of 16 and the mean of 7 are ``SnapKVPress``'s; the paper has 8 and 5.
public struct CompressKVPress: Press {
    /// The query heads that vote in each layer.
    public var heads: [[Int]]
    /// The last tokens that look.
    public var window: Int
    /// The width of the smoothing, odd.
    public var kernel: Int

    /// A press of each layer's voting heads.
    public init(heads: [[Int]], window: Int = 16, kernel: Int = 7) {
        self.heads = heads
        self.window = window
        self.kernel = kernel
    }

    /// `compresskv`.
    public var name: String { "compresskv" }
    /// The window's attention.
    public var needs: PressNeeds { PressNeeds(window: window) }

    /// The smoothed sums, averaged over the layer's retrieval heads.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` where the heads are another model's, for a kernel that is not
    ///   odd, and where no token votes.
    public func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
        guard heads.indices.contains(view.layer), !heads[view.layer].isEmpty,
            heads[view.layer].allSatisfy({ (0..<view.queryHeads).contains($0) })
        else {
            throw TesseraError(
                .invalidInput,
                "the retrieval heads are not those of a model of \(view.layout.layers) layers and \(view.queryHeads) "
                    + "query heads; run `tessera calibrate heads` for this one")
        }
        let attention = try WindowAttention(view, kernel: kernel, for: self)
        return attention.scores([attention.mean(of: heads[view.layer])])
    }
}
