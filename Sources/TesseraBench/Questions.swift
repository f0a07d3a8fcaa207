// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Tessera
public import TesseraKV

/// A question with its right answers.
public struct Question: Sendable, Codable, Equatable {
    /// What is asked.
    public var question: String
    /// Answers that count as right.
    public var answers: [String]
    /// The kind of question, by which results are grouped.
    public var kind: String
}

/// Files of questions.
public enum Questions {
    /// Reads one JSON object a line; empty lines are passed over.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput`, naming the line.
    public static func read(_ text: String, named name: String) throws(TesseraError) -> [Question] {
        try JSONLines.read(Question.self, of: text, named: name).map(\.value)
    }
}

/// Whether an answer is one of the right ones, up to white space around it and a closing full stop.
func isRight(_ answer: String, among answers: [String]) -> Bool {
    answers.map(normalized).contains(normalized(answer))
}

private func normalized(_ answer: String) -> String {
    let trimmed = answer.trimmingCharacters(in: .whitespacesAndNewlines)
    return trimmed.hasSuffix(".") ? String(trimmed.dropLast()) : trimmed
}
