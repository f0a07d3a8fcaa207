// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Keeps what the prompt's last token looks at, on the mean of all heads.
///
/// TOVA (Oren et al., EMNLP 2024, arXiv 2401.06104), §3.3: one set of tokens for all heads of a layer. Deviation: it is
/// applied once, behind the prompt, where the paper evicts with every token.
public struct TOVAPress: Press {
    /// A press.
    public init() {}

    /// `tova`.
    public var name: String { "tova" }
    /// The last token's attention.
    public var needs: PressNeeds { PressNeeds(window: 1) }

    /// The mean of all query heads.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` where no token was computed.
    public func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
        let attention = try WindowAttention(view, kernel: 1, for: self)
        return attention.scores([attention.mean(of: 0..<view.queryHeads)])
    }
}
