// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import TesseraKV

/// The SQLite side of a store: what is queried by anything but a key.
///
/// Everything in it but the counts of uses can be made again from the database (``ChunkStore`` does so when it finds
/// the catalog missing, damaged or of another store).
final class Catalog: Sendable {
    /// The commit up to which the catalog knows the store.
    struct Position: Equatable {
        var identity: UInt64
        var sequence: UInt64
        var nonce: UInt64

        init(of state: StoreState) {
            (identity, sequence, nonce) = (state.identity, state.sequence, state.nonce)
        }

        init(identity: UInt64, sequence: UInt64, nonce: UInt64) {
            (self.identity, self.sequence, self.nonce) = (identity, sequence, nonce)
        }
    }

    /// When and how often a record was used.
    struct Use {
        var count = 0
        var last: Int64 = 0
    }

    private let pool: DatabasePool
    let path: String

    /// Opens the file, creating it where there is none.
    init(path: String) throws(TesseraError) {
        self.path = path
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304")
        }
        let settings = configuration
        pool = try catalogErrors(path) { try DatabasePool(path: path, configuration: settings) }
        try catalogErrors(path) { try Self.migrator.migrate(pool) }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { database in
            try database.execute(sql: schema)
        }
        return migrator
    }

    private static let schema = """
        CREATE TABLE position (identity INTEGER NOT NULL, sequence INTEGER NOT NULL, nonce INTEGER NOT NULL);
        CREATE TABLE fingerprint (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE);
        CREATE TABLE chunk (
            record INTEGER PRIMARY KEY,
            key BLOB NOT NULL UNIQUE,
            kind INTEGER NOT NULL,
            fingerprint INTEGER NOT NULL REFERENCES fingerprint (id),
            namespace TEXT NOT NULL,
            tokens INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            codec TEXT NOT NULL,
            provenance INTEGER NOT NULL,
            created INTEGER NOT NULL,
            used INTEGER NOT NULL DEFAULT 0,
            uses INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX prefix ON chunk (fingerprint, namespace, tokens) WHERE kind = 1;
        """

    /// Closes the file; everything in it is on disk then.
    func close() throws(TesseraError) {
        try catalogErrors(path) {
            try pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
            try pool.close()
        }
    }

    /// Puts everything applied so far on disk.
    func checkpoint() throws(TesseraError) {
        try catalogErrors(path) { try pool.writeWithoutTransaction { _ = try $0.checkpoint(.full) } }
    }

    /// Whether SQLite finds the file sound.
    func isSound() -> Bool {
        (try? pool.read { try String.fetchAll($0, sql: "PRAGMA quick_check(1)") }) == ["ok"]
    }

    /// How far the catalog has come; nil when it was just made.
    func position() throws(TesseraError) -> Position? {
        try catalogErrors(path) {
            try pool.read { database in
                try Row.fetchOne(database, sql: "SELECT identity, sequence, nonce FROM position").map { row in
                    Position(
                        identity: UInt64(bitPattern: row[0]), sequence: UInt64(bitPattern: row[1]),
                        nonce: UInt64(bitPattern: row[2]))
                }
            }
        }
    }

    /// Takes in the headers of keys that changed, nil for those that are gone, and notes how far it has come.
    func apply(_ changes: [(key: ChunkKey, header: RecordHeader?)], upTo position: Position) throws(TesseraError) {
        try catalogErrors(path) {
            try pool.write { database in
                try Self.apply(changes, to: database)
                try Self.set(position, in: database)
            }
        }
    }

    /// Starts over from the headers that `next` gives, a part at a time until it gives none.
    func rebuild(
        upTo position: Position, from next: () throws -> [(key: ChunkKey, header: RecordHeader?)]
    ) throws(TesseraError) {
        try catalogErrors(path) {
            try pool.write { database in
                try database.execute(sql: "DELETE FROM chunk; DELETE FROM fingerprint")
                while true {
                    let part = try next()
                    if part.isEmpty { break }
                    try Self.apply(part, to: database)
                }
                try Self.set(position, in: database)
            }
        }
    }

    /// Adds up uses. A crash may lose them.
    func add(_ uses: [ChunkKey: Use]) throws(TesseraError) {
        try catalogErrors(path) {
            try pool.write { database in
                let statement = try database.makeStatement(
                    sql: "UPDATE chunk SET uses = uses + ?, used = max(used, ?) WHERE key = ?")
                for (key, use) in uses {
                    try statement.execute(arguments: [use.count, use.last, Data(key.digest.bytes)])
                }
            }
        }
    }

    private static func set(_ position: Position, in database: Database) throws {
        try database.execute(
            sql: "DELETE FROM position; INSERT INTO position VALUES (?, ?, ?)",
            arguments: [
                Int64(bitPattern: position.identity), Int64(bitPattern: position.sequence),
                Int64(bitPattern: position.nonce),
            ])
    }

    private static func apply(
        _ changes: [(key: ChunkKey, header: RecordHeader?)], to database: Database
    ) throws {
        let delete = try database.makeStatement(sql: "DELETE FROM chunk WHERE key = ?")
        let name = try database.makeStatement(sql: "INSERT OR IGNORE INTO fingerprint (digest) VALUES (?)")
        let insert = try database.makeStatement(
            sql: """
                INSERT INTO chunk (record, key, kind, fingerprint, namespace, tokens, bytes, codec, provenance, created)
                VALUES (?, ?, ?, (SELECT id FROM fingerprint WHERE digest = ?), ?, ?, ?, ?, ?, ?)
                ON CONFLICT (key) DO UPDATE SET record = excluded.record, created = excluded.created
                """)
        for (key, header) in changes {
            let key = Data(key.digest.bytes)
            guard let header else {
                try delete.execute(arguments: [key])
                continue
            }
            let fingerprint = Data(header.fingerprint.bytes)
            try name.execute(arguments: [fingerprint])
            try insert.execute(arguments: [
                Int64(header.record), key, header.kind.rawValue, fingerprint, header.namespace, header.tokens.count,
                header.byteCount, header.codec, header.provenance.rawValue, header.created,
            ])
        }
    }
}

extension Catalog {
    /// The lengths of the prefix records of a fingerprint and namespace, longest first, none above `limit`.
    func prefixLengths(fingerprint: Digest256, namespace: String, upTo limit: Int) throws(TesseraError) -> [Int] {
        try catalogErrors(path) {
            try pool.read { database in
                try Int.fetchAll(
                    database,
                    sql: """
                        SELECT DISTINCT tokens FROM chunk
                        WHERE kind = 1 AND fingerprint = (SELECT id FROM fingerprint WHERE digest = ?)
                            AND namespace = ? AND tokens <= ?
                        ORDER BY tokens DESC
                        """, arguments: [Data(fingerprint.bytes), namespace, limit])
            }
        }
    }

    /// The keys of all chunks of a fingerprint and namespace.
    func chunkKeys(fingerprint: Digest256, namespace: String) throws(TesseraError) -> [ChunkKey] {
        try catalogErrors(path) {
            try pool.read { database in
                try Data.fetchAll(
                    database,
                    sql: """
                        SELECT key FROM chunk
                        WHERE kind = 0 AND fingerprint = (SELECT id FROM fingerprint WHERE digest = ?) AND namespace = ?
                        """, arguments: [Data(fingerprint.bytes), namespace]
                ).compactMap { Digest256(bytes: $0).map(ChunkKey.init(digest:)) }
            }
        }
    }

    /// The keys of the records in a range of record numbers.
    func keys(of records: ClosedRange<UInt64>) throws(TesseraError) -> [ChunkKey] {
        let (first, last) = (Int64(clamping: records.lowerBound), Int64(clamping: records.upperBound))
        return try catalogErrors(path) {
            try pool.read { database in
                try Data.fetchAll(
                    database, sql: "SELECT key FROM chunk WHERE record BETWEEN ? AND ? ORDER BY record",
                    arguments: [first, last]
                ).compactMap { Digest256(bytes: $0).map(ChunkKey.init(digest:)) }
            }
        }
    }

    /// The number and the bytes of a key's record; nil for one that isn't there.
    func place(of key: ChunkKey) throws(TesseraError) -> (record: UInt64, byteCount: Int)? {
        try catalogErrors(path) {
            try pool.read { database in
                try Row.fetchOne(
                    database, sql: "SELECT record, bytes FROM chunk WHERE key = ?", arguments: [Data(key.digest.bytes)]
                ).map { (UInt64(clamping: $0[0] as Int64), $0[1]) }
            }
        }
    }

    /// What is stored, by kind and namespace.
    func tallies() throws(TesseraError) -> [StoreStatistics.Tally] {
        try catalogErrors(path) {
            try pool.read { database in
                try Row.fetchAll(
                    database,
                    sql: """
                        SELECT kind, namespace, count(*), sum(tokens), sum(bytes) FROM chunk
                        GROUP BY kind, namespace ORDER BY kind, namespace
                        """
                ).compactMap { row in
                    RecordKind(rawValue: row[0]).map { kind in
                        StoreStatistics.Tally(
                            kind: kind, namespace: row[1], records: row[2], tokens: row[3], byteCount: row[4])
                    }
                }
            }
        }
    }

    /// The number of records under each fingerprint.
    func recordsByFingerprint() throws(TesseraError) -> [Digest256: Int] {
        try catalogErrors(path) {
            try pool.read { database in
                let rows = try Row.fetchAll(
                    database,
                    sql: """
                        SELECT digest, count(*) FROM chunk JOIN fingerprint ON fingerprint.id = chunk.fingerprint
                        GROUP BY digest
                        """)
                return rows.reduce(into: [:]) { counts, row in
                    if let digest = Digest256(bytes: row[0] as Data) { counts[digest] = row[1] }
                }
            }
        }
    }

    /// How often and when last a record was used, in microseconds since 1970; nil for one that isn't there.
    func use(of key: ChunkKey) throws(TesseraError) -> Use? {
        try catalogErrors(path) {
            try pool.read { database in
                try Row.fetchOne(
                    database, sql: "SELECT uses, used FROM chunk WHERE key = ?", arguments: [Data(key.digest.bytes)]
                ).map { Use(count: $0[0], last: $0[1]) }
            }
        }
    }
}

/// Every call of SQLite that can fail goes through here: its error becomes a ``TesseraError``.
private func catalogErrors<Result>(_ path: String, _ body: () throws -> Result) throws(TesseraError) -> Result {
    do {
        return try body()
    } catch let error as TesseraError {
        throw error
    } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
        throw TesseraError(.full, "the catalog \(path) has no room: \(error.message ?? "disk full"). Free some space.")
    } catch let error as DatabaseError where [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode) {
        throw TesseraError(.corrupt, "the catalog \(path) is damaged; it is made again when the store is next opened")
    } catch {
        throw TesseraError(.io, "the catalog \(path) failed: \(error)")
    }
}
