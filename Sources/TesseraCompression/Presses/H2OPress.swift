// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Keeps the tokens that got most attention so far, and the last ones.
///
/// H2O (Zhang et al., NeurIPS 2023, arXiv 2306.14048), §4: half of the budget for the tokens whose accumulated attention is
/// highest, half for the most recent. Deviation: it is applied once, behind the prompt, where the paper evicts with every
/// token.
public struct H2OPress: Press {
    /// The share of the budget that the most recent tokens take.
    public var recent: Double

    /// A press with a share for recent tokens.
    public init(recent: Double = 0.5) {
        self.recent = recent
    }

    /// `h2o`.
    public var name: String { "h2o" }
    /// The attention received from all tokens.
    public var needs: PressNeeds { PressNeeds(received: true) }

    /// The attention that each KV head's group paid.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a share that is none.
    public func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
        guard (0...1).contains(recent) else {
            throw TesseraError(
                .invalidInput, "h2o gives recent tokens a share from 0 to 1 of the budget, not \(recent)")
        }
        var scores = TokenScores(heads: view.groupMeans(view.received))
        try scores.protect(last: Int(Double(view.budget) * recent))
        return scores
    }
}
