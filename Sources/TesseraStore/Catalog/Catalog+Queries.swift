// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import Synchronization
internal import TesseraKV

extension Catalog {
    /// The lengths of the prefix records of a fingerprint and namespace, longest first, none above `limit`.
    func prefixLengths(fingerprint: Digest256, namespace: String, upTo limit: Int) throws(TesseraError) -> [Int] {
        // Every prompt asks this, and records change less often.
        let scope = Scope(fingerprint: fingerprint, namespace: namespace)
        let (changes, known) = knownLengths.withLock { ($0.changes, $0.lengths[scope]) }
        if let known { return known.filter { $0 <= limit } }
        let lengths = try prefixLengths(of: scope)
        knownLengths.withLock { all in
            // What changed meanwhile may be missing here.
            if all.changes == changes { all.lengths[scope] = lengths }
        }
        return lengths.filter { $0 <= limit }
    }

    private func prefixLengths(of scope: Scope) throws(TesseraError) -> [Int] {
        try catalogErrors(path) {
            try pool.read { database in
                let statement = try database.cachedStatement(
                    sql: """
                        SELECT DISTINCT tokens FROM chunk
                        WHERE kind = 1 AND fingerprint = (SELECT id FROM fingerprint WHERE digest = ?)
                            AND namespace = ?
                        ORDER BY tokens DESC
                        """)
                return try Int.fetchAll(statement, arguments: [Data(scope.fingerprint.bytes), scope.namespace])
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

    /// What is known of a key's record; nil when there is none.
    func entry(of key: ChunkKey) throws(TesseraError) -> Entry? {
        try catalogErrors(path) {
            try pool.read { database in
                try Row.fetchOne(
                    database, sql: "SELECT segment, bytes, owner FROM chunk WHERE key = ?",
                    arguments: [Data(key.digest.bytes)]
                ).map(Entry.init)
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
