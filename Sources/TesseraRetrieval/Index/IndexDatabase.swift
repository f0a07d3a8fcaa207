// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import TesseraKV

/// The database file under a ``DocumentIndex``: how it is opened, laid out and, when damaged, begun anew.
///
/// `documents` knows every file that was read, `chunks` the texts with their token ids, and `search` is FTS5's
/// inverted index over both. It holds no text of its own: rows leave it by the very text that they came with.
struct IndexDatabase: Sendable {
    let pool: DatabasePool
    /// Why it was begun anew; nil where it was not.
    var rebuilt: String?

    /// "Tess": marks the file as ours.
    private static let application: Int32 = 0x5465_7373
    /// Raised with every change of the tables.
    private static let version = 1

    /// Opens the database at `path`, or makes it.
    ///
    /// A damaged file is set aside as `path.damaged`. Another configuration than the file was filled under empties it.
    ///
    /// - Throws: ``TesseraError`` for a file that can't be written, is another program's or is in use.
    init(path: String, configuration: Digest256) throws(TesseraError) {
        self = try wrapErrors(of: path) {
            do {
                return try Self(opening: path, configuration)
            } catch let error as DatabaseError where error.isDamage {
                try Self.setAside(path)
                var database = try Self(opening: path, configuration)
                database.rebuilt = "the index was damaged"
                return database
            }
        }
    }

    private init(opening path: String, _ configuration: Digest256) throws {
        var settings = Configuration()
        settings.busyMode = .timeout(10)
        settings.prepareDatabase { database in
            // The log of one great document would else keep its size beside the database.
            try database.execute(sql: "PRAGMA journal_size_limit = \(16 << 20)")
            database.add(
                function: DatabaseFunction("words", argumentCount: 1, pure: true) { values in
                    String.fromDatabaseValue(values[0]).map(SearchQuery.separated)
                })
        }
        guard try !Self.isForeign(path) else {
            throw TesseraError(
                .invalidInput, "\(path) is a database of another program; name another file for the index")
        }
        pool = try DatabasePool(path: path, configuration: settings)
        var digester = Digester()
        digester.add(Self.version)
        digester.add(configuration)
        let wanted = Data(digester.digest().bytes)
        let found = try pool.read { database in try Self.configuration(of: database) }
        guard found != wanted else { return }
        try pool.write { database in try Self.create(in: database, wanted) }
        if found != nil { rebuilt = "the tokenizer or the chunking is another than before" }
    }

    /// Whether the file holds tables that are not ours, by SQLite's file header alone: opening it would change it.
    private static func isForeign(_ path: String) throws -> Bool {
        guard let file = FileHandle(forReadingAtPath: path) else { return false }
        let header = try file.read(upToCount: 100) ?? Data()
        func number(at offset: Int) -> Int32 {
            header[offset..<offset + 4].reduce(0) { $0 << 8 | Int32($1) }
        }
        guard header.count == 100, header.starts(with: "SQLite format 3\0".utf8) else { return false }
        // A database of one page has no tables; ours is one until its first checkpoint.
        return number(at: 68) != application && number(at: 28) > 1
    }

    /// The configuration that a database was filled under; nil for an empty one.
    private static func configuration(of database: Database) throws -> Data? {
        guard try Int32.fetchOne(database, sql: "PRAGMA application_id") == application else { return nil }
        return try Data.fetchOne(database, sql: "SELECT digest FROM configuration") ?? Data()
    }

    private static func create(in database: Database, _ configuration: Data) throws {
        try database.execute(
            sql: """
                PRAGMA application_id = \(application);
                DROP TABLE IF EXISTS search;
                DROP TABLE IF EXISTS chunks;
                DROP TABLE IF EXISTS documents;
                DROP TABLE IF EXISTS configuration;
                CREATE TABLE configuration (digest BLOB NOT NULL);
                CREATE TABLE documents (
                    id INTEGER PRIMARY KEY,
                    path TEXT NOT NULL UNIQUE,
                    name TEXT NOT NULL,
                    size INTEGER NOT NULL,
                    modified INTEGER NOT NULL,
                    inode INTEGER NOT NULL,
                    digest BLOB NOT NULL,
                    refusal TEXT,
                    chunks INTEGER NOT NULL DEFAULT 0,
                    tokens INTEGER NOT NULL DEFAULT 0
                );
                CREATE TABLE chunks (
                    id INTEGER PRIMARY KEY,
                    document INTEGER NOT NULL REFERENCES documents,
                    ordinal INTEGER NOT NULL,
                    start INTEGER NOT NULL,
                    end INTEGER NOT NULL,
                    section TEXT,
                    text TEXT NOT NULL,
                    tokens BLOB NOT NULL,
                    UNIQUE (document, ordinal)
                );
                CREATE VIRTUAL TABLE search USING fts5 (
                    title, text, content = '', tokenize = 'porter unicode61 remove_diacritics 2'
                );
                """)
        try database.execute(sql: "INSERT INTO configuration VALUES (?)", arguments: [configuration])
    }

    /// Closes a damaged database and sets its file aside.
    func setAside() throws {
        try pool.close()
        try Self.setAside(pool.path)
    }

    private static func setAside(_ path: String) throws {
        let files = FileManager.default
        for ending in ["-wal", "-shm", ".damaged"] where files.fileExists(atPath: path + ending) {
            try files.removeItem(atPath: path + ending)
        }
        try files.moveItem(atPath: path, toPath: path + ".damaged")
    }
}

extension DatabaseError {
    /// Whether the file contradicts itself.
    var isDamage: Bool { resultCode == .SQLITE_CORRUPT || resultCode == .SQLITE_NOTADB }
}

/// Turns what `body` throws into ``TesseraError`` that names the index.
func wrapErrors<T>(of path: String, _ body: () throws -> T) throws(TesseraError) -> T {
    do {
        return try body()
    } catch {
        throw indexError(error, path)
    }
}

/// What an error of the database means to the user of the index at `path`.
func indexError(_ error: any Error, _ path: String) -> TesseraError {
    if let error = error as? TesseraError { return error }
    if error is CancellationError { return TesseraError(.cancelled, "the work on the index \(path) was stopped") }
    guard let error = error as? DatabaseError else {
        return TesseraError(.io, "the index \(path): \(error.localizedDescription)")
    }
    return switch error.resultCode {
    case .SQLITE_BUSY, .SQLITE_LOCKED:
        TesseraError(.locked, "another process is writing the index \(path); try again when it is done")
    case .SQLITE_FULL:
        TesseraError(.full, "the disk under the index \(path) is full; make room and run again")
    case .SQLITE_CORRUPT, .SQLITE_NOTADB:
        TesseraError(.corrupt, "the index \(path) is damaged; index the documents again, which fills it anew")
    case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
        TesseraError(.io, "the index \(path) can't be written; name a file in a folder that can")
    default:
        TesseraError(.io, "the index \(path): \(error.message ?? "SQLite error \(error.resultCode.rawValue)")")
    }
}
