// SPDX-License-Identifier: Apache-2.0

/// An answer, and what is needed to keep what its prompt had to compute.
package struct Response: Sendable {
    /// The answer.
    package var answer: Answer
    /// The prompt.
    var prompt: PromptTokens
    /// Its keys and values, and what was missing of them.
    var request: AssembledRequest
    /// Its place in the scheduler: the room of its keys and values is taken until it ends.
    var turn: Turn
    /// Whether anything is to be kept.
    var keepsMisses: Bool
}
