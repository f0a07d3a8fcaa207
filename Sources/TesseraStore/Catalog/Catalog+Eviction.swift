// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import TesseraKV

extension Catalog {
    /// Calls `body` with the records that aren't pinned and not of a scope, those that were not used for longest first,
    /// until it returns false.
    func forEachIdle(outside scope: RecordScope?, _ body: (EvictionCandidate) throws -> Bool) throws(TesseraError) {
        try catalogErrors(path) {
            try pool.read { database in
                let rows = try Row.fetchCursor(
                    database,
                    sql: """
                        SELECT key, bytes, segment, namespace, used, uses, created FROM chunk
                        WHERE pinned = 0 AND NOT (namespace IS ? AND fingerprint IS
                            (SELECT id FROM fingerprint WHERE digest = ?))
                        ORDER BY used
                        """, arguments: [scope?.namespace, scope.map { Data($0.fingerprint.bytes) }])
                while let row = try rows.next() {
                    guard let digest = Digest256(bytes: row[0] as Data) else { continue }
                    let candidate = EvictionCandidate(
                        key: ChunkKey(digest: digest), byteCount: row[1], namespace: row[3], created: row[6],
                        lastUsed: row[4], uses: row[5], segment: UInt64(clamping: row[2] as Int64))
                    guard try body(candidate) else { return }
                }
            }
        }
    }

    /// Bytes of the layers of all pinned records.
    func pinnedByteCount() throws(TesseraError) -> Int {
        try catalogErrors(path) {
            try pool.read { try Int.fetchOne($0, sql: "SELECT sum(bytes) FROM chunk WHERE pinned = 1") ?? 0 }
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
