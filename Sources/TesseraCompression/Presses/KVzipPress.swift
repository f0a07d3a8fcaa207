// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Keeps what the model needs to repeat the prompt: the best of the presses that know no question, and the dearest.
///
/// KVzip (Kim et al., NeurIPS 2025, arXiv 2505.23416), §3: the model is let to repeat the prompt, and a token's score is the
/// highest attention that its key receives meanwhile, over all repeated tokens and the query heads of its group. It goes
/// with ``ThresholdBudget``, the paper's one threshold for all layers. Deviation: attention is over all keys that there
/// are, where the paper repeats long prompts in pieces of 2,048 tokens and attends to a piece's own keys and 4 sinks.
public struct KVzipPress: Press {
    /// The first tokens, which stay.
    public var sinks: Int

    /// A press that keeps so many of the first tokens.
    public init(sinks: Int = 4) {
        self.sinks = sinks
    }

    /// `kvzip`.
    public var name: String { "kvzip" }
    /// The prompt, repeated.
    public var needs: PressNeeds { PressNeeds(repetition: true) }
    /// The highest: what one head needs to repeat the prompt is needed.
    public var reduction: TokenScores.Reduction { .maximum }

    /// The highest attention in each KV head's group.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for sinks below 0.
    public func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
        let tokens = view.tokens
        var scores = TokenScores(
            heads: (0..<view.layout.heads).map { head in
                (0..<tokens).map { token in
                    (head * view.group..<(head + 1) * view.group).reduce(0) { highest, head in
                        let attention = view.repeated[head * tokens + token]
                        // What is no number must not be passed over: it shows that the layer can't be judged.
                        return highest.isNaN || attention <= highest ? highest : attention
                    }
                }
            })
        try scores.protect(first: sinks)
        return scores
    }
}
