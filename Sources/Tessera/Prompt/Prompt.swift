// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// A request in segments: what is said up front, the retrieved chunks in order, and the question.
///
/// Each segment is tokenised alone and the ids are spliced, so that a chunk has the same ids in every prompt.
public struct Prompt: Sendable, Equatable {
    /// One segment, as text or as token ids.
    public enum Segment: Sendable, Equatable {
        /// Text, in which the names of special tokens have no special meaning.
        case text(String)
        /// Token ids of the model's vocabulary.
        case tokens([TokenID])
    }

    /// The instructions in front of the contexts; nil for none.
    public var system: Segment?
    /// The retrieved chunks, in the order in which the model reads them.
    public var contexts: [Segment]
    /// What is asked.
    public var question: Segment

    /// Makes a prompt of texts.
    public init(system: String? = nil, contexts: [String], question: String) {
        self.init(
            system: system.map { .text($0) }, contexts: contexts.map { .text($0) }, question: .text(question))
    }

    /// Makes a prompt of segments.
    public init(system: Segment?, contexts: [Segment], question: Segment) {
        self.system = system
        self.contexts = contexts
        self.question = question
    }
}
