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

    /// Where a record lies, as far as the books are concerned.
    struct Place {
        var record: UInt64
        var byteCount: Int
        /// The chunk that it is a variant of.
        var owner: ChunkKey?

        init(_ header: RecordHeader) {
            (record, byteCount, owner) = (header.record, header.byteCount, header.variantOwner)
        }

        fileprivate init(_ row: Row) {
            (record, byteCount) = (UInt64(clamping: row[0] as Int64), row[1])
            owner = (row[2] as Data?).flatMap(Digest256.init(bytes:)).map(ChunkKey.init(digest:))
        }
    }

    private let pool: DatabasePool
    let path: String
    /// Whether opening brought the file up from a schema that doesn't know variants.
    let wasUpgraded: Bool

    /// Opens the file, creating it where there is none.
    init(path: String) throws(TesseraError) {
        self.path = path
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304")
        }
        let settings = configuration
        pool = try catalogErrors(path) { try DatabasePool(path: path, configuration: settings) }
        let database = pool
        wasUpgraded = try catalogErrors(path) {
            let known = try database.read { try Self.migrator.appliedIdentifiers($0) }
            try Self.migrator.migrate(database)
            return known == ["1"]
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { database in
            try database.execute(sql: schema)
        }
        migrator.registerMigration("2") { database in
            try database.execute(sql: variants)
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

    /// Before it there were no variants. A build that doesn't know them leaves them out of a catalog that it makes.
    private static let variants = """
        ALTER TABLE chunk ADD COLUMN owner BLOB;
        CREATE INDEX variant ON chunk (fingerprint, namespace, owner) WHERE owner IS NOT NULL;
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

    /// Forgets how far the catalog has come, so that it is made again.
    func forget() throws(TesseraError) {
        try catalogErrors(path) { try pool.write { try $0.execute(sql: "DELETE FROM position") } }
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
                INSERT INTO chunk (record, key, kind, fingerprint, namespace, tokens, bytes, codec, provenance, created,
                    owner)
                VALUES (?, ?, ?, (SELECT id FROM fingerprint WHERE digest = ?), ?, ?, ?, ?, ?, ?, ?)
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
                header.variantOwner.map { Data($0.digest.bytes) },
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

    /// The keys of the isolated records of all chunks of a fingerprint and namespace.
    func chunkKeys(fingerprint: Digest256, namespace: String) throws(TesseraError) -> [ChunkKey] {
        try catalogErrors(path) {
            try pool.read { database in
                try Data.fetchAll(
                    database,
                    sql: """
                        SELECT key FROM chunk
                        WHERE kind = 0 AND provenance = 0 AND namespace = ?
                            AND fingerprint = (SELECT id FROM fingerprint WHERE digest = ?)
                        """, arguments: [namespace, Data(fingerprint.bytes)]
                ).compactMap { Digest256(bytes: $0).map(ChunkKey.init(digest:)) }
            }
        }
    }

    /// The keys of the chunks of a fingerprint and namespace that have variants.
    func variantOwners(fingerprint: Digest256, namespace: String) throws(TesseraError) -> Set<ChunkKey> {
        try catalogErrors(path) {
            try pool.read { database in
                let owners = try Data.fetchAll(
                    database,
                    sql: """
                        SELECT DISTINCT owner FROM chunk
                        WHERE owner IS NOT NULL AND namespace = ?
                            AND fingerprint = (SELECT id FROM fingerprint WHERE digest = ?)
                        """, arguments: [namespace, Data(fingerprint.bytes)])
                return Set(owners.compactMap { Digest256(bytes: $0).map(ChunkKey.init(digest:)) })
            }
        }
    }

    /// The chunk records, isolated and contextual, of a fingerprint and namespace, with their bytes and uses.
    func records(
        fingerprint: Digest256, namespace: String
    ) throws(TesseraError) -> [(key: ChunkKey, bytes: Int, uses: Int)] {
        try catalogErrors(path) {
            try pool.read { database in
                var records: [(key: ChunkKey, bytes: Int, uses: Int)] = []
                let rows = try Row.fetchCursor(
                    database,
                    sql: """
                        SELECT key, bytes, uses FROM chunk
                        WHERE kind = 0 AND namespace = ?
                            AND fingerprint = (SELECT id FROM fingerprint WHERE digest = ?)
                        """, arguments: [namespace, Data(fingerprint.bytes)])
                while let row = try rows.next() {
                    guard let digest = Digest256(bytes: row[0] as Data) else { continue }
                    records.append((ChunkKey(digest: digest), row[1], row[2]))
                }
                return records
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

    /// Where a key's record lies; nil for one that isn't there.
    func place(of key: ChunkKey) throws(TesseraError) -> Place? {
        try catalogErrors(path) {
            try pool.read { database in
                try Row.fetchOne(
                    database, sql: "SELECT record, bytes, owner FROM chunk WHERE key = ?",
                    arguments: [Data(key.digest.bytes)]
                ).map(Place.init)
            }
        }
    }

    /// What is stored, by kind, provenance and namespace.
    func tallies() throws(TesseraError) -> [StoreStatistics.Tally] {
        try catalogErrors(path) {
            try pool.read { database in
                try Row.fetchAll(
                    database,
                    sql: """
                        SELECT kind, provenance, namespace, count(*), sum(tokens), sum(bytes) FROM chunk
                        GROUP BY kind, provenance, namespace ORDER BY kind, provenance, namespace
                        """
                ).compactMap { row in
                    guard let kind = RecordKind(rawValue: row[0]), let provenance = Provenance(rawValue: row[1]) else {
                        return nil
                    }
                    return StoreStatistics.Tally(
                        kind: kind, provenance: provenance, namespace: row[2], records: row[3], tokens: row[4],
                        byteCount: row[5])
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
