// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import Synchronization
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
        /// The share of the cost that the last use paid all the same.
        var share = 0.0
    }

    /// What the books need to know of a record whose header can't be read.
    struct Entry {
        var segment: UInt64
        var byteCount: Int
        /// The chunk that it is a variant of.
        var owner: ChunkKey?

        init(_ header: RecordHeader) {
            (segment, byteCount, owner) = (header.place.segment, header.byteCount, header.variantOwner)
        }

        init(_ row: Row) {
            (segment, byteCount) = (UInt64(clamping: row[0] as Int64), row[1])
            owner = (row[2] as Data?).flatMap(Digest256.init(bytes:)).map(ChunkKey.init(digest:))
        }
    }

    private static let pageBytes = 4096

    /// What ``prefixLengths(fingerprint:namespace:upTo:)`` has found since records last changed, and how often they did.
    let knownLengths = Mutex<(changes: Int, lengths: [Scope: [Int]])>((0, [:]))

    /// Records that can stand in for each other.
    struct Scope: Hashable {
        var fingerprint: Digest256
        var namespace: String
    }

    /// Pages of SQLite's log at which it is brought into the file.
    private let logPages = Atomic(16)

    let pool: DatabasePool
    let path: String
    /// Opens the file, creating it where there is none.
    init(path: String) throws(TesseraError) {
        self.path = path
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 16")
        }
        let settings = configuration
        pool = try catalogErrors(path) { try DatabasePool(path: path, configuration: settings) }
        let database = pool
        try catalogErrors(path) { try Self.migrator.migrate(database) }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("3") { database in
            try database.execute(sql: schema)
        }
        // How many of its tokens a record has rows for; null for all, as with every record from before.
        migrator.registerMigration("4") { database in
            try database.execute(sql: "ALTER TABLE chunk ADD COLUMN kept INTEGER")
        }
        return migrator
    }

    private static let schema = """
        CREATE TABLE position (identity INTEGER NOT NULL, sequence INTEGER NOT NULL, nonce INTEGER NOT NULL);
        CREATE TABLE fingerprint (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE);
        CREATE TABLE chunk (
            id INTEGER PRIMARY KEY,
            key BLOB NOT NULL UNIQUE,
            segment INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            fingerprint INTEGER NOT NULL REFERENCES fingerprint (id),
            namespace TEXT NOT NULL,
            tokens INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            codec TEXT NOT NULL,
            provenance INTEGER NOT NULL,
            created INTEGER NOT NULL,
            used INTEGER NOT NULL,
            uses INTEGER NOT NULL DEFAULT 0,
            pinned INTEGER NOT NULL DEFAULT 0,
            owner BLOB
        );
        CREATE INDEX prefix ON chunk (fingerprint, namespace, tokens) WHERE kind = 1;
        CREATE INDEX variant ON chunk (fingerprint, namespace, owner) WHERE owner IS NOT NULL;
        CREATE INDEX idle ON chunk (used) WHERE pinned = 0;
        """

    /// Fits SQLite's log to a cap on the folder; 0 for none.
    func fit(diskCap: Int) throws(TesseraError) {
        let pages = diskCap == 0 ? 1000 : min(1000, max(16, diskCap / 64 / Self.pageBytes))
        logPages.store(pages, ordering: .relaxed)
        try catalogErrors(path) {
            try pool.writeWithoutTransaction { database in
                try database.execute(
                    sql: """
                        PRAGMA wal_autocheckpoint = \(pages);
                        PRAGMA journal_size_limit = \(pages * Self.pageBytes)
                        """)
            }
        }
    }

    /// Bytes that SQLite's log may come to beside what one change of records writes.
    var reservedByteCount: Int { 2 * logPages.load(ordering: .relaxed) * Self.pageBytes }

    /// Bytes that a change of so many records may write to SQLite's log: a page of the table and of two indices for each,
    /// unless the file has fewer.
    func logByteCount(records: Int) -> Int {
        var status = stat()
        let size = stat(path, &status) == 0 ? Int(status.st_size) : 0
        return min(3 * Self.pageBytes * records, size + 1024 * records)
    }

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

    /// What is to be known of one key.
    struct Change {
        var key: ChunkKey
        /// Nil when its record is gone.
        var header: RecordHeader?
        var isPinned: Bool
    }

    /// Takes in what became of keys, and notes how far it has come.
    func apply(_ changes: [Change], upTo position: Position) throws(TesseraError) {
        defer { forgetLengths() }
        try catalogErrors(path) {
            try pool.write { database in
                try Self.apply(changes, to: database)
                try Self.set(position, in: database)
            }
        }
    }

    /// Starts over from the headers that `next` gives, a part at a time until it gives none. Each part is written for
    /// itself, so that SQLite's log stays short; cut short, it is started over again.
    func rebuild(
        upTo position: Position, from next: () throws -> [Change]
    ) throws(TesseraError) {
        defer { forgetLengths() }
        try catalogErrors(path) {
            try pool.write { try $0.execute(sql: "DELETE FROM position; DELETE FROM chunk; DELETE FROM fingerprint") }
            while true {
                let part = try next()
                if part.isEmpty { break }
                try pool.write { try Self.apply(part, to: $0) }
            }
            try pool.write { try Self.set(position, in: $0) }
        }
    }

    /// Records have changed.
    private func forgetLengths() {
        knownLengths.withLock { $0 = ($0.changes + 1, [:]) }
    }

    /// Adds up uses. A crash may lose them. They are written a few at a time, so that SQLite's log stays short.
    ///
    /// - Parameter pause: Seconds between them.
    func add(_ uses: [ChunkKey: Use], pause: Double = 0) throws(TesseraError) {
        var rest = Array(uses)[...]
        while !rest.isEmpty {
            if pause > 0, rest.count < uses.count { Thread.sleep(forTimeInterval: pause) }
            let some = rest.prefix(max(4, logPages.load(ordering: .relaxed) / 6))
            rest = rest.dropFirst(some.count)
            try catalogErrors(path) {
                try pool.write { database in
                    let statement = try database.cachedStatement(
                        sql: "UPDATE chunk SET uses = uses + ?, used = max(used, ?) WHERE key = ?")
                    for (key, use) in some {
                        try statement.execute(arguments: [use.count, use.last, Data(key.digest.bytes)])
                    }
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

    private static func apply(_ changes: [Change], to database: Database) throws {
        let delete = try database.cachedStatement(sql: "DELETE FROM chunk WHERE key = ?")
        let name = try database.cachedStatement(sql: "INSERT OR IGNORE INTO fingerprint (digest) VALUES (?)")
        let insert = try database.cachedStatement(
            sql: """
                INSERT INTO chunk (key, segment, kind, fingerprint, namespace, tokens, bytes, codec, provenance, created,
                    used, pinned, owner, kept)
                VALUES (?, ?, ?, (SELECT id FROM fingerprint WHERE digest = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (key) DO UPDATE SET segment = excluded.segment, bytes = excluded.bytes,
                    codec = excluded.codec, created = excluded.created, used = max(used, excluded.used),
                    pinned = excluded.pinned, kept = excluded.kept
                """)
        for change in changes {
            let key = Data(change.key.digest.bytes)
            guard let header = change.header else {
                try delete.execute(arguments: [key])
                continue
            }
            let fingerprint = Data(header.fingerprint.bytes)
            try name.execute(arguments: [fingerprint])
            try insert.execute(arguments: [
                key, Int64(clamping: header.place.segment), header.kind.rawValue, fingerprint, header.namespace,
                header.tokens.count, header.byteCount, header.codec, header.provenance.rawValue, header.created,
                header.created, change.isPinned, header.variantOwner.map { Data($0.digest.bytes) },
                header.kept?.count,
            ])
        }
    }
}

/// Every call of SQLite that can fail goes through here: its error becomes a ``TesseraError``.
func catalogErrors<Result>(_ path: String, _ body: () throws -> Result) throws(TesseraError) -> Result {
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
