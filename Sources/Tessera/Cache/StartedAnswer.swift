// SPDX-License-Identifier: Apache-2.0

package import TesseraRuntime

/// An answer whose first token is known. The rest is written together with other answers once somebody asks for it;
/// letting go of it gives its place in the scheduler back.
package struct StartedAnswer: Sendable {
    /// The first token with its text; nil for an answer without any.
    package var first: TokenGenerator.Piece?
    /// What was reused and computed so far.
    package var report: ReuseReport
    /// The rest of the answer.
    let draft: AnswerDraft
    /// The prompt.
    let prompt: PromptTokens
    /// Its keys and values, and what was missing of them.
    let request: AssembledRequest
    /// What computing the prompt came to.
    let outcome: AssembledRequest.Outcome
    /// Its place in the scheduler.
    let turn: Turn
    /// Whether the machine's rates can be learned from it: what a bench holds in memory takes no loading.
    let teaches: Bool
    /// Whether what was missing is to be kept.
    let keepsMisses: Bool
}
