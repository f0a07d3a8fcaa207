// SPDX-License-Identifier: Apache-2.0

internal import CSuite
internal import Foundation
public import TesseraKV

/// A question of a quality suite, with the contexts that hold its answer.
public struct QualityQuestion: Sendable, Codable, Equatable {
    /// The instructions in front of the contexts; nil for none.
    public var system: String?
    /// The contexts, in order.
    public var contexts: [String]
    /// What is asked.
    public var question: String
    /// Answers that count as right.
    public var answers: [String]
    /// The kind of question, by which results are grouped.
    public var kind: String

    /// Makes a question of all its parts.
    public init(system: String?, contexts: [String], question: String, answers: [String], kind: String) {
        self.system = system
        self.contexts = contexts
        self.question = question
        self.answers = answers
        self.kind = kind
    }

    /// The prompt that asks it.
    public var prompt: Prompt {
        Prompt(system: system, contexts: contexts, question: question)
    }
}

/// Suites of questions: the one that the quality gate asks, and files of one's own.
public enum QualitySuite {
    /// The questions of the quality gate, kinds by turns: about invented people, firms and towns, so that no model knows
    /// the answers, with references from one context to another.
    public static let builtIn: [QualityQuestion] = {
        // The last line is cut short where the file is longer than what is embedded of it.
        let lines = text.split(separator: "\n").dropLast()
        return (try? read(lines.joined(separator: "\n"), named: "the built-in suite")) ?? []
    }()

    private static let text = String(
        decoding: UnsafeBufferPointer(start: csuite_questions(), count: csuite_size()), as: UTF8.self)

    /// The digest of the built-in suite, in hexadecimal digits.
    public static let digest: String = {
        var digester = Digester()
        digester.add("tessera quality suite 1")
        digester.add(text)
        return digester.digest().description
    }()

    /// Reads a file of questions, one JSON object a line; empty lines are passed over.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput`, naming the line.
    public static func read(_ text: String, named name: String) throws(TesseraError) -> [QualityQuestion] {
        let lines = try JSONLines.read(QualityQuestion.self, of: text, named: name)
        if let line = lines.first(where: { $0.value.answers.isEmpty }) {
            throw TesseraError(.invalidInput, "\(name), line \(line.number), has no answers")
        }
        return lines.map(\.value)
    }

    /// So many questions of each kind, in the suite's order; fewer where there are no more.
    ///
    /// - Parameters:
    ///   - questions: A suite.
    ///   - count: Questions of each kind; nil for all.
    ///   - kinds: The kinds that are wanted; nil for all.
    public static func sample(
        _ questions: [QualityQuestion], perKind count: Int?, kinds: [String]? = nil
    ) -> [QualityQuestion] {
        var taken: [String: Int] = [:]
        return questions.filter { question in
            guard kinds?.contains(question.kind) ?? true else { return false }
            taken[question.kind, default: 0] += 1
            return taken[question.kind, default: 0] <= count ?? .max
        }
    }
}
