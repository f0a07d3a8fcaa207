// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// One record as the catalog lists it.
package struct StoreEntry: Sendable, Equatable {
    /// The record's key.
    package var key: ChunkKey
    /// What it stands for in a prompt.
    package var kind: RecordKind
    /// Behind what its KV was computed.
    package var provenance: Provenance
    /// The digest of the fingerprint that it was computed under.
    package var fingerprint: Digest256
    /// The tenant scope that is charged for it.
    package var namespace: String
    /// The number of its tokens.
    package var tokens: Int
    /// The bytes of its layers.
    package var byteCount: Int
    /// What made them.
    package var codec: String
    /// When it was put, in microseconds since 1970.
    package var created: Int64
    /// When a lookup last found it, or when it was put.
    package var lastUsed: Int64
    /// How often a lookup found it.
    package var uses: Int
    /// Whether it stays whatever room is needed.
    package var isPinned: Bool
    /// How many of its tokens it has keys and values of; nil for all.
    package var kept: Int?
}

/// Which records are meant.
package struct EntryFilter: Sendable {
    /// Of one tenant scope.
    package var namespace: String?
    /// Of one kind and provenance.
    package var provenance: Provenance?
    /// Of one fingerprint.
    package var fingerprint: Digest256?
    /// Of keys that begin with these hexadecimal digits.
    package var beginsWith: String?
    /// Of any other fingerprint than these.
    package var otherThan: [Digest256] = []
    /// Not used since, in microseconds since 1970.
    package var unusedSince: Int64?

    /// All records.
    package init() {}
}

/// The order of a list of records.
package enum EntryOrder: String, Sendable, CaseIterable {
    /// The most recently used first.
    case used
    /// The newest first.
    case created
    /// The largest first.
    case size
    /// The most used first.
    case uses
}

extension ChunkStore {
    /// Records as the catalog knows them.
    ///
    /// - Parameter limit: The most that are wanted; nil for all.
    package func entries(
        _ filter: EntryFilter = EntryFilter(), order: EntryOrder = .used, limit: Int? = nil
    ) throws(TesseraError) -> [StoreEntry] {
        let session = try session()
        try flushUses(session)
        return try session.catalog.entries(filter, order: order, limit: limit)
    }

    /// The keys of records whose digits begin so.
    ///
    /// - Parameters:
    ///   - digits: Hexadecimal digits, an even number of them or not.
    ///   - limit: How many are enough to know.
    package func keys(beginningWith digits: String, limit: Int = 2) throws(TesseraError) -> [ChunkKey] {
        let wanted = digits.lowercased()
        guard wanted.allSatisfy(\.isHexDigit), wanted.count <= 64 else { return [] }
        var start = StoreKey.headers.start
        var rest = Substring(wanted)
        while rest.count >= 2, let byte = UInt8(rest.prefix(2), radix: 16) {
            start.append(byte)
            rest = rest.dropFirst(2)
        }
        var found: [ChunkKey] = []
        try session().database.scan(from: start, upTo: StoreKey.headers.end) { (key, _) throws(TesseraError) in
            guard key.starts(with: start), found.count < limit else { return false }
            if let chunk = StoreKey.chunk(ofHeader: key), chunk.description.hasPrefix(wanted) { found.append(chunk) }
            return true
        }
        return found
    }

    /// A record by its key, whatever it is of; nil when there is none. Nothing is counted.
    package func record(_ key: ChunkKey) throws(TesseraError) -> StoredChunk? {
        try session().completeHeader(key).map { StoredChunk(key: key, header: $0) }
    }

    /// A record of one namespace by its key; nil when there is none. Of another's record no more is read than whose it is,
    /// so that it takes hardly longer than none at all. Nothing is counted.
    package func record(_ key: ChunkKey, namespace: String) throws(TesseraError) -> StoredChunk? {
        guard try session().holds(key, namespace: namespace) else { return nil }
        return try record(key)
    }

    /// What a fingerprint was made of, as far as it was remembered.
    package func fingerprintFields(
        _ digest: Digest256
    ) throws(TesseraError) -> [(name: String, digest: Digest256)]? {
        try session().database.withValue(StoreKey.fingerprint(digest)) { (bytes) throws(TesseraError) in
            try FingerprintRecord(bytes, digest: digest).fields
        }
    }

    /// Whether a record stays whatever room is needed.
    package func isPinned(_ key: ChunkKey) throws(TesseraError) -> Bool {
        try session().isPinned(key)
    }

    /// The isolated keys of the chunks that a variant was captured behind; empty for any other record.
    package func behind(_ chunk: StoredChunk) throws(TesseraError) -> [ChunkKey] {
        guard let owner = chunk.header.variantOwner else { return [] }
        let name = StoreKey.variant(chunk.key, of: owner)
        return try session().database.withValue(name) { (bytes) throws(TesseraError) in
            try VariantRecord(bytes, for: chunk.key, of: owner).behind
        } ?? []
    }
}
