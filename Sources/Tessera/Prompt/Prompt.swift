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
        /// A screenshot, for models that see them: one token for each of its patches.
        case frame(Frame)

        /// Bytes of text that have to become ids.
        var textBytes: Int {
            if case .text(let text) = self { text.utf8.count } else { 0 }
        }
    }

    /// What was said before, by one side.
    public struct Turn: Sendable, Equatable {
        /// Who said it.
        public enum Role: String, Sendable, Hashable, CaseIterable {
            /// The one who asks.
            case user
            /// The model.
            case assistant
        }

        /// Who said it.
        public var role: Role
        /// What was said.
        public var text: Segment

        /// Makes a turn of its parts.
        public init(_ role: Role, _ text: Segment) {
            self.role = role
            self.text = text
        }
    }

    /// The instructions in front of the contexts; nil for none.
    public var system: Segment?
    /// What was said before the question, in order; the contexts stand behind it, with the question.
    public var turns: [Turn] = []
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
    public init(system: Segment?, turns: [Turn] = [], contexts: [Segment], question: Segment) {
        self.system = system
        self.turns = turns
        self.contexts = contexts
        self.question = question
    }

    /// A prompt of screenshots, each behind its name and in front of a line feed.
    ///
    /// - Parameter label: The name of a screenshot; `{n}` becomes its number, from 1.
    public init(
        system: String? = nil, frames: [Frame], label: String = "Screen {n}:\n", question: String
    ) {
        let contexts = frames.enumerated().flatMap { index, frame in
            [
                Segment.text(label.replacing("{n}", with: "\(index + 1)")), .frame(frame), .text("\n"),
            ]
        }
        self.init(system: system.map { .text($0) }, contexts: contexts, question: .text(question))
    }

    /// Whether the prompt shows anything.
    var hasFrames: Bool { contexts.contains { if case .frame = $0 { true } else { false } } }

    /// Bytes of text that have to become ids.
    var textBytes: Int {
        let others = contexts + turns.map(\.text) + [question]
        return others.reduce(system?.textBytes ?? 0) { $0 + $1.textBytes }
    }
}
