// SPDX-License-Identifier: Apache-2.0

public import TesseraKV
public import TesseraRuntime

/// What a model answered, and how its prompt came about.
public struct Answer: Sendable, Equatable {
    /// The text, without stop texts and special tokens.
    public var text: String
    /// The ids of the answer, its closing token left out.
    public var tokens: [TokenID]
    /// Why it ended.
    public var ending: TokenGenerator.End
    /// What was reused and computed.
    public var report: ReuseReport
}
