// SPDX-License-Identifier: Apache-2.0

internal import GRDB
public import TesseraKV

/// A document in a ``DocumentIndex``.
public struct IndexedDocument: Sendable, Hashable {
    /// The absolute path.
    public var path: String
    /// The size of the file in bytes.
    public var bytes: Int
    /// The number of its chunks.
    public var chunks: Int
    /// The number of tokens in them.
    public var tokens: Int

    fileprivate var id: Int64
}

extension DocumentIndex {
    /// The documents in the index, in the order of their paths.
    ///
    /// - Parameter paths: Files and folders to look below; nil for all.
    public func documents(under paths: [String]? = nil) throws(TesseraError) -> [IndexedDocument] {
        let scope = PathScope(under: paths)
        return try wrapErrors(of: path) {
            try pool.read { database in
                try Row.fetchAll(
                    database,
                    sql: "SELECT path, size, chunks, tokens, id FROM documents WHERE chunks > 0 ORDER BY path"
                ).map { IndexedDocument(path: $0[0], bytes: $0[1], chunks: $0[2], tokens: $0[3], id: $0[4]) }
                    .filter { scope?.contains($0.path) ?? true }
            }
        }
    }

    /// All chunks in reading order, document after document in the order of their paths.
    ///
    /// They are fetched a few at a time; nothing is held while the caller works on one. Documents that are changed
    /// meanwhile may come in either form.
    ///
    /// - Parameter paths: Files and folders to look below; nil for all.
    public func chunks(under paths: [String]? = nil) throws(TesseraError) -> DocumentChunks {
        DocumentChunks(index: self, documents: try documents(under: paths))
    }
}

/// The chunks of documents in reading order; see ``DocumentIndex/chunks(under:)``.
public struct DocumentChunks: AsyncSequence, Sendable {
    /// The documents whose chunks they are.
    public let documents: [IndexedDocument]
    private let index: DocumentIndex

    fileprivate init(index: DocumentIndex, documents: [IndexedDocument]) {
        self.index = index
        self.documents = documents
    }

    /// Begins at the first chunk of the first document.
    public func makeAsyncIterator() -> Iterator {
        Iterator(index: index, documents: documents)
    }

    /// Fetches chunks page by page.
    public struct Iterator: AsyncIteratorProtocol {
        private static let pageSize = 256

        fileprivate let index: DocumentIndex
        fileprivate let documents: [IndexedDocument]
        private var position = (document: 0, ordinal: 0)
        private var page: ArraySlice<DocumentChunk> = []

        fileprivate init(index: DocumentIndex, documents: [IndexedDocument]) {
            self.index = index
            self.documents = documents
        }

        /// The next chunk; nil behind the last.
        public mutating func next() async throws(TesseraError) -> DocumentChunk? {
            if page.isEmpty { try await fetch() }
            return page.popFirst()
        }

        private mutating func fetch() async throws(TesseraError) {
            let (documents, start) = (documents, position)
            (page, position) = try await index.read { database in
                var page: ArraySlice<DocumentChunk> = []
                var position = start
                let statement = try database.cachedStatement(
                    sql: DocumentChunk.query(where: "chunks.document = ? AND chunks.ordinal >= ?")
                        + " ORDER BY chunks.ordinal LIMIT ?")
                while page.count < Self.pageSize && position.document < documents.count {
                    let wanted = Self.pageSize - page.count
                    let rows = try Row.fetchAll(
                        statement, arguments: [documents[position.document].id, position.ordinal, wanted])
                    page += rows.map(DocumentChunk.init)
                    if rows.count < wanted {
                        position = (position.document + 1, 0)
                    } else {
                        position.ordinal += rows.count
                    }
                }
                return (page, position)
            }
        }
    }
}
