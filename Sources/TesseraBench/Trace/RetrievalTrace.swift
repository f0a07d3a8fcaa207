// SPDX-License-Identifier: Apache-2.0

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
        for line in try JSONLines.read(Chunk.self, of: chunks, named: chunksName) {
            texts[line.value.id] = line.value.text
        }
        let lines = try JSONLines.read(Request.self, of: requests, named: requestsName)
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
