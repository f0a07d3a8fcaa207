// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import TesseraKV

extension Catalog {
    /// Records that pass a filter.
    func entries(_ filter: EntryFilter, order: EntryOrder, limit: Int?) throws(TesseraError) -> [StoreEntry] {
        var conditions: [String] = []
        var arguments: [(any DatabaseValueConvertible)?] = []
        func require(_ condition: String, _ values: (any DatabaseValueConvertible)?...) {
            conditions.append(condition)
            arguments += values
        }
        if let namespace = filter.namespace { require("namespace = ?", namespace) }
        if let provenance = filter.provenance { require("provenance = ?", provenance.rawValue) }
        if let fingerprint = filter.fingerprint { require("digest = ?", Data(fingerprint.bytes)) }
        for fingerprint in filter.otherThan { require("digest <> ?", Data(fingerprint.bytes)) }
        if let digits = filter.beginsWith {
            let least = digits.padding(toLength: 64, withPad: "0", startingAt: 0)
            let most = digits.padding(toLength: 64, withPad: "f", startingAt: 0)
            require(
                "key BETWEEN ? AND ?", [UInt8](hexadecimal: least).map { Data($0) },
                [UInt8](hexadecimal: most).map { Data($0) })
        }
        if let unused = filter.unusedSince { require("used < ?", unused) }
        let order =
            switch order {
            case .used: "used"
            case .created: "created"
            case .size: "bytes"
            case .uses: "uses"
            }
        let sql = """
            SELECT key, kind, provenance, digest, namespace, tokens, bytes, codec, created, used, uses, pinned,
                kept
            FROM chunk JOIN fingerprint ON fingerprint.id = chunk.fingerprint
            \(conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND "))
            ORDER BY \(order) DESC, chunk.id LIMIT \(limit ?? -1)
            """
        let values = StatementArguments(arguments)
        return try catalogErrors(path) {
            try pool.read { database in
                try Row.fetchAll(database, sql: sql, arguments: values).compactMap(Self.entry)
            }
        }
    }

    private static func entry(_ row: Row) -> StoreEntry? {
        guard let key = Digest256(bytes: row[0] as Data), let kind = RecordKind(rawValue: row[1]),
            let provenance = Provenance(rawValue: row[2]), let fingerprint = Digest256(bytes: row[3] as Data)
        else { return nil }
        return StoreEntry(
            key: ChunkKey(digest: key), kind: kind, provenance: provenance, fingerprint: fingerprint,
            namespace: row[4], tokens: row[5], byteCount: row[6], codec: row[7], created: row[8], lastUsed: row[9],
            uses: row[10], isPinned: row[11], kept: row[12])
    }

    /// Where the catalog believes each record to lie.
    func segments() throws(TesseraError) -> [ChunkKey: UInt64] {
        try catalogErrors(path) {
            try pool.read { database in
                let rows = try Row.fetchCursor(database, sql: "SELECT key, segment FROM chunk")
                var segments: [ChunkKey: UInt64] = [:]
                while let row = try rows.next() {
                    guard let digest = Digest256(bytes: row[0] as Data) else { continue }
                    segments[ChunkKey(digest: digest)] = UInt64(clamping: row[1] as Int64)
                }
                return segments
            }
        }
    }
}
