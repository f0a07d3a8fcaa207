// SPDX-License-Identifier: Apache-2.0

internal import GRDB
public import TesseraKV

extension DocumentIndex: Retriever {
    /// The chunks that share the most telling words with the question, the best first.
    public func retrieve(_ question: String, limit: Int) async throws -> [RetrievedChunk] {
        try await retrieve(question, limit: limit, neighbours: 0)
    }

    /// The chunks that share the most telling words with the question, with the chunks around them.
    ///
    /// Words are compared by their stems, without case and accents; those in headings and file names count double. The
    /// same question over the same documents has the same answer: equal scores go by path and place. Of chunks with
    /// the same text, one is given.
    ///
    /// - Parameters:
    ///   - question: Any text.
    ///   - limit: The greatest number of hits.
    ///   - neighbours: How many chunks before and behind each hit in its document come along, because a chunk may speak
    ///     of what the one before it has named. Hits and neighbours that follow each other come in reading order, in
    ///     the place of the best hit among them.
    ///   - paths: Files and folders to search; nil for all.
    /// - Throws: ``TesseraError``: `corrupt` when the database proves damaged, after which it is empty until the next
    ///   sync; `io` and `locked` for what else befalls it.
    public func retrieve(
        _ question: String, limit: Int, neighbours: Int, under paths: [String]? = nil
    ) async throws(TesseraError) -> [RetrievedChunk] {
        guard limit > 0, let query = SearchQuery.fts(question) else { return [] }
        let scope = PathScope(under: paths)
        return try await read { database in
            let hits = try database.hits(query, limit: limit, scope)
            return try neighbours > 0 ? database.surroundings(of: hits, reach: neighbours) : hits.map(\.chunk)
        }
    }

    /// A retriever with these settings, for where one is wanted.
    public func retriever(neighbours: Int, under paths: [String]? = nil) -> some Retriever {
        IndexRetriever(index: self, neighbours: neighbours, paths: paths)
    }
}

private struct IndexRetriever: Retriever {
    var index: DocumentIndex
    var neighbours: Int
    var paths: [String]?

    func retrieve(_ question: String, limit: Int) async throws -> [RetrievedChunk] {
        try await index.retrieve(question, limit: limit, neighbours: neighbours, under: paths)
    }
}

private struct Hit {
    var document: Int64
    var chunk: RetrievedChunk
}

extension Database {
    fileprivate func hits(_ query: String, limit: Int, _ scope: PathScope?) throws -> [Hit] {
        let ranked = try Row.fetchCursor(
            cachedStatement(
                sql: """
                    SELECT chunks.id, documents.path, -bm25(search, 2.0, 1.0) AS score
                    FROM search
                    JOIN chunks ON chunks.id = search.rowid
                    JOIN documents ON documents.id = chunks.document
                    WHERE search MATCH ?
                    ORDER BY score DESC, documents.path, chunks.ordinal
                    """), arguments: [query])
        var hits: [Hit] = []
        var texts: Set<String> = []
        while hits.count < limit, let row = try ranked.next() {
            let path: String = row[1]
            if let scope, !scope.contains(path) { continue }
            guard let hit = try hit("chunks.id = ?", [row[0]], score: row[2]) else { continue }
            if texts.insert(hit.chunk.text).inserted { hits.append(hit) }
        }
        return hits
    }

    private func hit(_ condition: String, _ arguments: StatementArguments, score: Double) throws -> Hit? {
        let statement = try cachedStatement(sql: DocumentChunk.query(where: condition))
        return try Row.fetchOne(statement, arguments: arguments).map { row in
            let chunk = DocumentChunk(row)
            return Hit(
                document: row[0],
                chunk: RetrievedChunk(text: chunk.text, tokens: chunk.tokens, source: chunk.source, score: score))
        }
    }

    /// The hits with the chunks around them, as runs of chunks that follow each other in a document.
    fileprivate func surroundings(of hits: [Hit], reach: Int) throws -> [RetrievedChunk] {
        var chunks: [Int64: [Int: RetrievedChunk]] = [:]
        for hit in hits { chunks[hit.document, default: [:]][hit.chunk.source.ordinal] = hit.chunk }
        for hit in hits {
            let ordinal = hit.chunk.source.ordinal
            for near in max(0, ordinal - reach)...ordinal + reach where chunks[hit.document]?[near] == nil {
                let neighbour = try self.hit(
                    "chunks.document = ? AND chunks.ordinal = ?", [hit.document, near], score: 0)
                if let neighbour { chunks[hit.document]?[near] = neighbour.chunk }
            }
        }
        var result: [RetrievedChunk] = []
        for hit in hits {
            guard var first = chunks[hit.document]?[hit.chunk.source.ordinal]?.source.ordinal else { continue }
            while chunks[hit.document]?[first - 1] != nil { first -= 1 }
            while let chunk = chunks[hit.document]?.removeValue(forKey: first) {
                result.append(chunk)
                first += 1
            }
        }
        return result
    }
}
