// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Keeps what a layer's semantic retrieval heads look at: one set of tokens for all heads of a layer.
///
/// CompressKV (arXiv 2508.02401 v1), §3: heads that only look at the first and the nearest tokens drown the votes of those
/// that gather what an answer is made of, so only the latter vote, each layer's best four by
/// ``retrievalScores(_:heads:counted:span:)``. The rest is SnapKV's: a window, its sums, their smoothing.
///
/// Deviations: the window of 16 and the mean of 7 are ``SnapKVPress``'s; the paper has 8 and 5. It goes with
/// ``CostBudget``, the paper's with ``ErrorBudget``. And it goes by how strongly a layer's heads retrieve
/// (``strengths``); in a small model one layer may do so for all:
///
/// - Where they do, the question is not the only one to vote. Where an answer takes two steps, the question does not look
///   at what the second one needs, since nothing but the first tells what that is; what retrieval heads came back to while
///   they read the prompt, its names above all, is what a second step goes to. So a token's score is
///   v ÷ max v + w · r ÷ max r, with v the window's votes, r the attention that the voting heads paid to the token while
///   the prompt was read, on the mean of the rows that see it, and w the layer's strength. The first four tokens, where
///   heads rest that look for nothing, have no part in the maxima. Of a prompt whose chunks are stitched only the computed
///   rows have read: then the question has almost all votes.
/// - Where they don't, below ``leastStrength``, none of its heads knows better than another what an answer needs. Each KV
///   head then keeps what its own query heads look at, which is SnapKV's press.
///
/// Without strengths it is the paper's.
public struct CompressKVPress: Press {
    /// The query heads that vote in each layer.
    public var heads: [[Int]]
    /// How strongly each layer's voting heads retrieve, 1 in the strongest (``HeadAssets/strengths(_:)``). Empty for the
    /// paper's press, in which all layers' do, and nothing votes but the window.
    public var strengths: [Double]
    /// The strength from which on a layer's heads are retrieval heads.
    public var leastStrength = 0.2
    /// The last tokens that look.
    public var window: Int
    /// The width of the smoothing, odd.
    public var kernel: Int

    /// A press of each layer's voting heads.
    public init(heads: [[Int]], strengths: [Double] = [], window: Int = 16, kernel: Int = 7) {
        self.heads = heads
        self.strengths = strengths
        self.window = window
        self.kernel = kernel
    }

    /// `compresskv`.
    public var name: String { "compresskv" }
    /// The window's attention, and that of the whole prompt where it counts.
    public var needs: PressNeeds { PressNeeds(window: window, received: strengths.contains { $0 >= leastStrength }) }

    /// The smoothed sums, averaged over the layer's retrieval heads, and what those heads read; of a layer without such
    /// heads, one set of scores for each KV head.
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
        guard !strengths.isEmpty else { return attention.scores([attention.mean(of: heads[view.layer])]) }
        guard strengths.count == view.layout.layers, strengths.allSatisfy({ (0..<Double.infinity).contains($0) })
        else {
            throw TesseraError(
                .invalidInput,
                "compresskv takes a strength of 0 or more for each of \(view.layout.layers) layers, not \(strengths)")
        }
        let strength = strengths[view.layer]
        guard strength >= leastStrength else { return attention.scoresOfHeads(view) }
        let votes = relative(attention.mean(of: heads[view.layer]))
        let reading = relative(view.meanReceived(by: heads[view.layer], first: attention.window.lowerBound))
        return attention.scores([zip(votes, reading).map { $0 + Float(strength) * $1 }])
    }

    /// Numbers as parts of the highest behind the first tokens.
    private func relative(_ numbers: [Float]) -> [Float] {
        let highest = numbers.dropFirst(4).reduce(0, max)
        // What is no number must stay so: it shows that the layer can't be judged.
        return highest > 0 ? numbers.map { $0 / highest } : numbers
    }
}
