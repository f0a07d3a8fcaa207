// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import TesseraKV

extension Catalog {
    /// All records, those that were not used for longest first.
    func candidates(_ options: EvictionOptions) throws(TesseraError) -> [EvictionCandidate] {
        try catalogErrors(path) {
            try pool.read { database in
                let rows = try Row.fetchCursor(
                    database,
                    sql: """
                        SELECT key, segment, digest, namespace, tokens, bytes, codec, provenance, created, used, uses, pinned,
                            kept
                        FROM chunk JOIN fingerprint ON fingerprint.id = chunk.fingerprint ORDER BY used
                        """)
                var candidates: [EvictionCandidate] = []
                while let row = try rows.next() {
                    guard let key = Digest256(bytes: row[0] as Data), let fingerprint = Digest256(bytes: row[2] as Data)
                    else { continue }
                    let tokens: Int = row[4]
                    let byteCount = RecordPlace.aligned(row[5])
                    let place = EvictionDesk.Place(
                        key: ChunkKey(digest: key), segment: UInt64(clamping: row[1] as Int64),
                        scope: RecordScope(fingerprint: fingerprint, namespace: row[3]), tokens: tokens,
                        cost: options.cost(tokens),
                        canShrink: options.canDemote(
                            Provenance(rawValue: row[7]), codec: row[6], tokens: tokens,
                            isWhole: row.hasNull(atIndex: 12),
                            byteCount: byteCount))
                    candidates.append(
                        EvictionCandidate(
                            place: place, byteCount: byteCount, created: row[8], lastUsed: row[9],
                            uses: row[10], isPinned: row[11]))
                }
                return candidates
            }
        }
    }

    /// Calls `body` with the records that aren't pinned, of a namespace and not of a scope, those that were not used for
    /// longest first, until it returns false.
    func forEachIdle(
        of namespace: String?, outside scope: RecordScope?,
        _ body: (_ key: ChunkKey, _ segment: UInt64, _ byteCount: Int) throws -> Bool
    ) throws(TesseraError) {
        try catalogErrors(path) {
            try pool.read { database in
                let rows = try Row.fetchCursor(
                    database,
                    sql: """
                        SELECT key, segment, bytes FROM chunk
                        WHERE pinned = 0 AND namespace = ifnull(?, namespace) AND NOT (namespace IS ? AND fingerprint IS
                            (SELECT id FROM fingerprint WHERE digest = ?))
                        ORDER BY used
                        """, arguments: [namespace, scope?.namespace, scope.map { Data($0.fingerprint.bytes) }])
                while let row = try rows.next() {
                    guard let digest = Digest256(bytes: row[0] as Data) else { continue }
                    guard try body(ChunkKey(digest: digest), UInt64(clamping: row[1] as Int64), row[2]) else { return }
                }
            }
        }
    }

    /// The keys of some records that aren't pinned and were put before a time, in microseconds since 1970.
    func keys(limit: Int, createdBefore time: Int64) throws(TesseraError) -> [ChunkKey] {
        try catalogErrors(path) {
            try pool.read { database in
                let keys = try Data.fetchAll(
                    database, sql: "SELECT key FROM chunk WHERE pinned = 0 AND created <= ? LIMIT ?",
                    arguments: [time, limit])
                return keys.compactMap(Digest256.init(bytes:)).map(ChunkKey.init(digest:))
            }
        }
    }

    /// Bytes of the layers of all pinned records, of a namespace or of all.
    func pinnedByteCount(of namespace: String? = nil) throws(TesseraError) -> Int {
        try catalogErrors(path) {
            try pool.read {
                try Int.fetchOne(
                    $0, sql: "SELECT sum(bytes) FROM chunk WHERE pinned = 1 AND namespace = ifnull(?, namespace)",
                    arguments: [namespace]) ?? 0
            }
        }
    }

    /// Bytes of the layers of all records of a scope.
    func byteCount(of scope: RecordScope) throws(TesseraError) -> Int {
        try catalogErrors(path) {
            try pool.read { database in
                try Int.fetchOne(
                    database,
                    sql: """
                        SELECT sum(bytes) FROM chunk WHERE namespace = ? AND fingerprint IS
                            (SELECT id FROM fingerprint WHERE digest = ?)
                        """, arguments: [scope.namespace, Data(scope.fingerprint.bytes)]) ?? 0
            }
        }
    }

    /// Bytes of the layers of all records that aren't pinned and not of a scope.
    func idleByteCount(outside scope: RecordScope) throws(TesseraError) -> Int {
        try catalogErrors(path) {
            try pool.read { database in
                try Int.fetchOne(
                    database,
                    sql: """
                        SELECT sum(bytes) FROM chunk
                        WHERE pinned = 0 AND NOT (namespace = ? AND fingerprint IS
                            (SELECT id FROM fingerprint WHERE digest = ?))
                        """, arguments: [scope.namespace, Data(scope.fingerprint.bytes)]) ?? 0
            }
        }
    }
}
