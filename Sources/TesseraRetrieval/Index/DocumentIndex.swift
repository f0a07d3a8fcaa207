// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import Synchronization
public import TesseraKV

/// The chunks of the documents in some folders, found by their words: SQLite's FTS5, ranked by BM25.
///
/// ```swift
/// let index = try DocumentIndex(path: "docs.index", encoder: TokenEncoder(tokenizer))
/// let report = try index.sync(["docs"])
/// for hit in try await index.retrieve("Who owns the mill?", limit: 5) { print(hit.source.document, hit.text) }
/// ```
///
/// The database is a file apart, which can be made anew from the documents at any time. One index may hold several
/// folders; `under:` asks for some of them. Any number of threads and processes may read while one writes.
///
/// Calls that are not `async` compute and block; keep them off the cooperative thread pool.
public final class DocumentIndex: Sendable {
    /// The database file.
    public let path: String
    /// How documents are cut.
    public let options: ChunkingOptions

    let encoder: TokenEncoder
    private let configuration: Digest256
    private let database: Mutex<IndexDatabase>

    /// Opens the index at `path`, or makes it.
    ///
    /// An index that was filled with another tokenizer or other options is emptied, a damaged one is set aside as
    /// `path.damaged` and begun anew; the next ``sync(_:excluding:progress:)`` fills it and says so.
    ///
    /// - Parameters:
    ///   - path: The database file; its folder exists and can be written.
    ///   - encoder: The tokenizer of the model that the chunks are for.
    ///   - options: How documents are cut.
    /// - Throws: ``TesseraError`` for options out of range, a file that can't be written, is another program's, or is
    ///   being written by another process.
    public init(
        path: String, encoder: TokenEncoder, options: ChunkingOptions = ChunkingOptions()
    ) throws(TesseraError) {
        _ = try Chunker(encoder: encoder, options: options)
        self.path = path
        self.encoder = encoder
        self.options = options
        var digester = Digester()
        digester.add(encoder.digest)
        options.add(to: &digester)
        configuration = digester.digest()
        database = Mutex(try IndexDatabase(path: path, configuration: configuration))
    }

    /// Connections to the database.
    var pool: DatabasePool { database.withLock { $0.pool } }

    /// Why the index was begun anew since this was asked last.
    func takeRebuilt() -> String? {
        database.withLock { database in
            defer { database.rebuilt = nil }
            return database.rebuilt
        }
    }

    /// Sets a damaged database aside and begins a new one.
    func rebuild() throws {
        try database.withLock { database in
            try database.setAside()
            database = try IndexDatabase(path: path, configuration: configuration)
            database.rebuilt = "the index was damaged"
        }
    }

    /// Reads on a thread of the database. Where it proves damaged, it is begun anew, to be filled by the next sync.
    func read<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws(TesseraError) -> T {
        do {
            return try await pool.read(body)
        } catch {
            if (error as? DatabaseError)?.isDamage == true { try? rebuild() }
            throw indexError(error, path)
        }
    }
}
