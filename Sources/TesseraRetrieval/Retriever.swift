// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Finds the chunks of a corpus that may hold the answer to a question.
///
/// ``DocumentIndex`` is the built-in one; a vector database or a search service can stand in its place.
public protocol Retriever: Sendable {
    /// The chunks that fit `question` best, the best first.
    ///
    /// - Parameters:
    ///   - question: Any text that a user wrote.
    ///   - limit: How many hits are wanted; fewer come back where fewer fit, none is no error.
    func retrieve(_ question: String, limit: Int) async throws -> [RetrievedChunk]
}

/// A chunk that a retriever found.
public struct RetrievedChunk: Sendable, Hashable {
    /// The text, which goes into the prompt exactly as it is.
    public var text: String
    /// The ids of the text; nil where the retriever knows no tokenizer.
    public var tokens: [TokenID]?
    /// Where the text comes from.
    public var source: ChunkSource
    /// How well it fits: the greater, the better, comparable within one answer alone. 0 for a chunk that came along
    /// as the neighbour of a hit.
    public var score: Double

    /// Makes a chunk of its parts.
    public init(text: String, tokens: [TokenID]? = nil, source: ChunkSource, score: Double) {
        self.text = text
        self.tokens = tokens
        self.source = source
        self.score = score
    }
}

/// The place of a chunk in a document.
public struct ChunkSource: Sendable, Hashable, Codable {
    /// The document's path, or another name that leads to it.
    public var document: String
    /// The number of the chunk in its document, from 0.
    public var ordinal: Int
    /// The titles over the chunk, from the document's own inwards, joined by " > "; nil where there is none.
    public var section: String?
    /// The bytes of the chunk: of the file for plain text and Markdown, of the text in it for HTML; nil where unknown.
    public var bytes: Range<Int>?

    /// Makes a source of its parts.
    public init(document: String, ordinal: Int, section: String? = nil, bytes: Range<Int>? = nil) {
        self.document = document
        self.ordinal = ordinal
        self.section = section
        self.bytes = bytes
    }
}
