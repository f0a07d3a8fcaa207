// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import TesseraKV

/// The statements by which documents and chunks come and go.
extension Database {
    struct StoredDocument {
        var id: Int64
        var digest: Data
        var refusal: String?
        var chunks: Int
    }

    func execute(cached sql: String, arguments: StatementArguments) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }

    func stored(_ path: String) throws -> StoredDocument? {
        let statement = try cachedStatement(sql: "SELECT id, digest, refusal, chunks FROM documents WHERE path = ?")
        return try Row.fetchOne(statement, arguments: [path]).map { row in
            StoredDocument(id: row[0], digest: row[1], refusal: row[2], chunks: row[3])
        }
    }

    func setStamp(_ stamp: FileStamp, of id: Int64) throws {
        try execute(
            cached: "UPDATE documents SET size = ?, modified = ?, inode = ? WHERE id = ?",
            arguments: [stamp.size, stamp.modified, stamp.inode, id])
    }

    /// Writes the row of a document that has no chunks yet, over that of `id` if it is given.
    func put(_ path: String, _ stamp: FileStamp, _ digest: Data, id: Int64?) throws -> Int64 {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        let name = file.lastIndex(of: ".").map { String(file[..<$0]) } ?? file
        try execute(
            cached: """
                INSERT OR REPLACE INTO documents (id, path, name, size, modified, inode, digest)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [id, path, name, stamp.size, stamp.modified, stamp.inode, digest])
        return id ?? lastInsertedRowID
    }

    func insert(_ chunk: Chunk, ordinal: Int, document: Int64) throws {
        let section = chunk.titles.isEmpty ? nil : chunk.titles.joined(separator: " > ")
        try execute(
            cached: """
                INSERT INTO chunks (document, ordinal, start, end, section, text, tokens) VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                document, ordinal, chunk.bytes.lowerBound, chunk.bytes.upperBound, section, chunk.text,
                TokenBlob.data(chunk.tokens),
            ])
        try execute(
            cached: "INSERT INTO search (rowid, title, text) \(Self.searchColumns) WHERE chunks.id = ?",
            arguments: [lastInsertedRowID])
    }

    func removeChunks(of document: Int64) throws {
        try execute(
            cached: """
                INSERT INTO search (search, rowid, title, text)
                SELECT 'delete', * FROM (\(Self.searchColumns) WHERE documents.id = ?)
                """, arguments: [document])
        try execute(cached: "DELETE FROM chunks WHERE document = ?", arguments: [document])
    }

    /// What is searched of a chunk: as titles the name of its file and the headings over it, and its text.
    private static let searchColumns = """
        SELECT chunks.id, words(documents.name || ' ' || coalesce(chunks.section, '')), words(chunks.text)
        FROM chunks JOIN documents ON documents.id = chunks.document
        """
}

/// Token ids as they lie in the database: 32-bit little-endian numbers.
enum TokenBlob {
    static func data(_ tokens: [TokenID]) -> Data {
        tokens.map(\.littleEndian).withUnsafeBytes { Data($0) }
    }

    static func tokens(_ data: Data) -> [TokenID] {
        [TokenID](unsafeUninitializedCapacity: data.count / 4) { buffer, count in
            count = data.copyBytes(to: buffer, from: 0..<data.count / 4 * 4) / 4
        }.map(TokenID.init(littleEndian:))
    }
}
