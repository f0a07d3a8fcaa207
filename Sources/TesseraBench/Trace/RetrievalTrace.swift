// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Tessera
public import TesseraKV

/// Which chunks a retriever found for which questions, request by request.
public struct RetrievalTrace: Sendable {
    /// One request.
    public struct Request: Sendable, Codable {
        /// The instructions in front of the chunks; nil for none.
        public var system: String?
        /// The chunks, by name, in prompt order.
        public var chunks: [String]
        /// What is asked.
        public var question: String
        /// Answers that count as right.
        public var answers: [String]
        /// The kind of question.
        public var kind: String
    }

    /// The text of each chunk.
    public var chunks: [String: String]
    /// The requests, in order.
    public var requests: [Request]

    /// Reads a trace: a file of chunks (`{"id", "text"}`) and one of requests, one JSON object a line.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput`, naming the line, also for a request of an unknown chunk.
    public init(chunks: String, named chunksName: String, requests: String, named requestsName: String)
        throws(TesseraError)
    {
        struct Chunk: Decodable {
            var id: String
            var text: String
        }
        var texts: [String: String] = [:]
        for line in try lines(Chunk.self, of: chunks, named: chunksName) { texts[line.value.id] = line.value.text }
        let lines = try lines(Request.self, of: requests, named: requestsName)
        for line in lines {
            if let unknown = line.value.chunks.first(where: { texts[$0] == nil }) {
                throw TesseraError(
                    .invalidInput,
                    "\(requestsName), line \(line.number), names chunk \(unknown), which \(chunksName) lacks")
            }
        }
        self.chunks = texts
        self.requests = lines.map(\.value)
    }

    /// The prompt of a request.
    public func prompt(of request: Request) -> Prompt {
        Prompt(system: request.system, contexts: request.chunks.compactMap { chunks[$0] }, question: request.question)
    }
}

/// The values of a file with one JSON object a line, with their line numbers; empty lines are passed over.
private func lines<Value: Decodable>(
    _ type: Value.Type, of text: String, named name: String
) throws(TesseraError) -> [(number: Int, value: Value)] {
    let decoder = JSONDecoder()
    var values: [(number: Int, value: Value)] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    where !line.allSatisfy(\.isWhitespace) {
        do {
            values.append((index + 1, try decoder.decode(type, from: Data(line.utf8))))
        } catch {
            throw TesseraError(.invalidInput, "\(name), line \(index + 1), is not what it should be: \(reason(error))")
        }
    }
    return values
}

private func reason(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "it has no \"\(key.stringValue)\""
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
        "\(context.codingPath.map(\.stringValue).joined(separator: ".")) is of another type"
    default: "it is no JSON object"
    }
}
