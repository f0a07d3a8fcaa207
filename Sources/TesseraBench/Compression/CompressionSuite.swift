// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Tessera
public import TesseraKV

/// Questions over prompts that several of them share.
public struct CompressionSuite: Sendable {
    /// A prompt and what is asked about it.
    public struct Item: Sendable {
        /// What stands in front of the question.
        public var prompt: Prompt
        /// What is asked.
        public var questions: [Question]

        /// An item of its parts.
        public init(prompt: Prompt, questions: [Question]) {
            self.prompt = prompt
            self.questions = questions
        }
    }

    /// A question about a prompt.
    public struct Question: Sendable, Codable {
        /// Its text, which ends the prompt.
        public var question: String
        /// Answers that count as right.
        public var answers: [String]
        /// The kind of question, by which results are grouped.
        public var kind: String
    }

    /// The items.
    public var items: [Item]

    /// A suite of items.
    public init(items: [Item]) {
        self.items = items
    }

    /// Reads a file of texts, one prompt a line: `{"system": …, "contexts": […], "questions": [{"question": …,
    /// "answers": […], "kind": …}]}`.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput`, naming the line.
    public static func texts(_ text: String, named name: String) throws(TesseraError) -> CompressionSuite {
        struct Line: Decodable {
            var system: String?
            var contexts: [String]
            var questions: [Question]
        }
        let lines = try JSONLines.read(Line.self, of: text, named: name)
        return CompressionSuite(
            items: lines.map { line in
                Item(
                    prompt: Prompt(system: line.value.system, contexts: line.value.contexts, question: ""),
                    questions: line.value.questions)
            })
    }

    /// So many questions of each kind, in the suite's order; prompts that are left without any go.
    public func sample(perKind count: Int?) -> CompressionSuite {
        guard let count else { return self }
        var taken: [String: Int] = [:]
        return CompressionSuite(
            items: items.compactMap { item in
                var item = item
                item.questions.removeAll { question in
                    taken[question.kind, default: 0] += 1
                    return taken[question.kind, default: 0] > count
                }
                return item.questions.isEmpty ? nil : item
            })
    }
}
