// SPDX-License-Identifier: Apache-2.0

/// A request to `/v1/warm`: chunks whose KV is computed ahead of the questions, or documents that are cut into such.
public struct WarmRequest: Codable, Sendable, Equatable, ClosedFields {
    /// A document.
    public struct Source: Codable, Sendable, Equatable, ClosedFields {
        /// What the caller calls it; the job's result has the chunks under it.
        public var id: String?
        /// Its text.
        public var text: String
        /// `text` (the default), `markdown` or `html`.
        public var format: String?

        /// Makes a document of its parts.
        public init(id: String? = nil, text: String, format: String? = nil) {
            self.id = id
            self.text = text
            self.format = format
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case id, text, format }

        package static let fieldNames = CodingKeys.names
    }

    /// How documents are cut.
    public struct Chunking: Codable, Sendable, Equatable, ClosedFields {
        /// The most tokens of a chunk; 512 by default.
        public var limit: Int?
        /// Sentences that the next chunk repeats; 0 by default.
        public var overlap: Int?
        /// `packed` (the default) or `separate`: what becomes of paragraphs.
        public var paragraphs: String?

        /// Makes options of their parts.
        public init(limit: Int? = nil, overlap: Int? = nil, paragraphs: String? = nil) {
            self.limit = limit
            self.overlap = overlap
            self.paragraphs = paragraphs
        }

        private enum CodingKeys: String, CodingKey, CaseIterable { case limit, overlap, paragraphs }

        package static let fieldNames = CodingKeys.names
    }

    /// Documents that are cut into chunks.
    public var documents: [Source]?
    /// Chunks as they are, by text or tokens.
    public var chunks: [ChunkReference]?
    /// How documents are cut.
    public var chunking: Chunking?
    /// A system text whose leading run is kept too.
    public var system: String?

    /// Makes a request of its parts.
    public init(
        documents: [Source]? = nil, chunks: [ChunkReference]? = nil, chunking: Chunking? = nil, system: String? = nil
    ) {
        self.documents = documents
        self.chunks = chunks
        self.chunking = chunking
        self.system = system
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case documents, chunks, chunking, system }

    package static let fieldNames = CodingKeys.names
}

/// Work that goes on beside requests.
public struct Job: Codable, Sendable, Equatable {
    /// How far a job has come.
    public enum State: String, Codable, Sendable, CaseIterable {
        /// It waits for others.
        case queued
        /// It is at work.
        case running
        /// All of it is done.
        case done
        /// It was stopped; what was done stays, and it can be resumed.
        case cancelled
        /// It could not go on; what was done stays, and it can be resumed.
        case failed

        /// Whether nothing more happens unless it is resumed.
        public var isOver: Bool { self == .done || self == .cancelled || self == .failed }
    }

    /// What became of a document.
    public struct Document: Codable, Sendable, Equatable {
        /// What the caller calls it.
        public var id: String?
        /// The ids of its chunks, in reading order.
        public var chunks: [String]

        /// Makes an outcome of its parts.
        public init(id: String?, chunks: [String]) {
            self.id = id
            self.chunks = chunks
        }
    }

    /// Its id.
    public var id: String
    /// How far it has come.
    public var state: State
    /// When it was begun, in seconds since 1970.
    public var created: Double
    /// Chunks that are wanted, each counted once.
    public var chunks: Int
    /// Those that are in the store by now.
    public var chunksDone: Int
    /// Tokens that were computed.
    public var tokens: Int
    /// Bytes of KV that were written.
    public var bytes: Int
    /// Why it failed.
    public var error: APIErrorBody.Detail?
    /// The ids of the chunks of each document, then those of the chunks that were given as they are; only where one job is
    /// asked for.
    public var documents: [Document]?

    /// Makes a job of all its parts.
    public init(
        id: String, state: State, created: Double, chunks: Int, chunksDone: Int = 0, tokens: Int = 0, bytes: Int = 0,
        error: APIErrorBody.Detail? = nil, documents: [Document]? = nil
    ) {
        self.id = id
        self.state = state
        self.created = created
        self.chunks = chunks
        self.chunksDone = chunksDone
        self.tokens = tokens
        self.bytes = bytes
        self.error = error
        self.documents = documents
    }

    private enum CodingKeys: String, CodingKey {
        case id, state, created, chunks, tokens, bytes, error, documents
        case chunksDone = "chunks_done"
    }
}
