// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Keeps the first tokens and the last.
///
/// StreamingLLM (Xiao et al., ICLR 2024, arXiv 2309.17453), §3.2: the first tokens are where heads put attention that they
/// have no use for, and the last are what is being spoken of. Deviation: positions stay as they were, where the paper
/// numbers the kept tokens anew, because nothing here outgrows the model's context.
public struct StreamingLLMPress: Press {
    /// The first tokens that stay.
    public var sinks: Int

    /// A press that keeps so many of the first tokens.
    public init(sinks: Int = 4) {
        self.sinks = sinks
    }

    /// `streamingllm`.
    public var name: String { "streamingllm" }
    /// Nothing.
    public var needs: PressNeeds { PressNeeds() }

    /// The later a token, the higher.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for sinks below 0.
    public func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
        var scores = TokenScores(shared: (0..<view.tokens).map { Float($0) })
        try scores.protect(first: sinks)
        return scores
    }
}
