// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Keeps what a layer's semantic retrieval heads look at: one set of tokens for all heads of a layer.
///
/// CompressKV (arXiv 2508.02401 v1), §3: heads that only look at the first and the nearest tokens drown the votes of those
/// that gather what an answer is made of, so only the latter vote, each layer's best four by
/// ``retrievalScores(_:heads:counted:span:)``. The rest is SnapKV's: a window, its sums, their smoothing.
///
/// Deviations: the window of 16 and the mean of 7 are ``SnapKVPress``'s; the paper has 8 and 5. It goes with
/// ``CostBudget``, the paper's with ``ErrorBudget``. And the question is not the only one to vote. Where an answer takes
/// two steps, the question does not look at what the second one needs, since nothing but the first tells what that is;
/// what retrieval heads came back to while they read the prompt, its names above all, is what a second step goes to. So
/// a token's score is v ÷ max v + w · r ÷ max r, with v the window's votes, r the attention that the voting heads paid to
/// the token while the prompt was read, on the mean of the rows that see it, and w the layer's ``readingWeights``. The
/// first four tokens, where heads rest that look for nothing, have no part in the maxima. Without weights it is the
/// paper's. Of a prompt whose chunks are stitched only the computed rows have read: then the question has almost all
/// votes.
public struct CompressKVPress: Press {
    /// The query heads that vote in each layer.
    public var heads: [[Int]]
    /// What counts in each layer, beside what the window looks at, of what the prompt looked at: 1 for as much. Empty for
    /// nothing, in all layers.
    public var readingWeights: [Double]
    /// The last tokens that look.
    public var window: Int
    /// The width of the smoothing, odd.
    public var kernel: Int

    /// A press of each layer's voting heads.
    public init(heads: [[Int]], readingWeights: [Double] = [], window: Int = 16, kernel: Int = 7) {
        self.heads = heads
        self.readingWeights = readingWeights
        self.window = window
        self.kernel = kernel
    }

    /// `compresskv`.
    public var name: String { "compresskv" }
    /// The window's attention, and that of the whole prompt where it counts.
    public var needs: PressNeeds { PressNeeds(window: window, received: readingWeights.contains { $0 != 0 }) }

    /// The smoothed sums, averaged over the layer's retrieval heads, and what those heads read.
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
        let votes = attention.mean(of: heads[view.layer])
        guard !readingWeights.isEmpty else { return attention.scores([votes]) }
        guard readingWeights.count == view.layout.layers,
            readingWeights.allSatisfy({ (0..<Double.infinity).contains($0) })
        else {
            throw TesseraError(
                .invalidInput,
                "compresskv takes a weight of 0 or more for each of \(view.layout.layers) layers, not \(readingWeights)"
            )
        }
        guard needs.received else { return attention.scores([votes]) }
        let weight = Float(readingWeights[view.layer])
        let reading = relative(view.meanReceived(by: heads[view.layer], first: attention.window.lowerBound))
        return attention.scores([zip(relative(votes), reading).map { $0 + weight * $1 }])
    }

    /// Numbers as parts of the highest behind the first tokens.
    private func relative(_ numbers: [Float]) -> [Float] {
        let highest = numbers.dropFirst(4).reduce(0, max)
        // What is no number must stay so: it shows that the layer can't be judged.
        return highest > 0 ? numbers.map { $0 / highest } : numbers
    }
}
