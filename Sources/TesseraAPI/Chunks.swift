// SPDX-License-Identifier: Apache-2.0

/// A record of the cache.
public struct ChunkEntry: Codable, Sendable, Equatable {
    /// Its id.
    public var id: String
    /// `chunk` for one that was encoded alone, `variant` for one that was captured behind others, `prefix` for a leading
    /// run.
    public var kind: String
    /// The digest of what its KV was computed with.
    public var fingerprint: String
    /// Its tokens.
    public var tokens: Int
    /// Bytes of its KV.
    public var bytes: Int
    /// How its numbers are kept.
    public var codec: String
    /// When it was put, in seconds since 1970.
    public var created: Double
    /// When it was used last, in seconds since 1970.
    public var lastUsed: Double
    /// How often it was used.
    public var uses: Int
    /// Whether it stays whatever room is needed.
    public var pinned: Bool
    /// How many of its tokens it has KV of; nil for all.
    public var kept: Int?

    /// Makes an entry of all its parts.
    public init(
        id: String, kind: String, fingerprint: String, tokens: Int, bytes: Int, codec: String, created: Double,
        lastUsed: Double, uses: Int, pinned: Bool, kept: Int? = nil
    ) {
        self.id = id
        self.kind = kind
        self.fingerprint = fingerprint
        self.tokens = tokens
        self.bytes = bytes
        self.codec = codec
        self.created = created
        self.lastUsed = lastUsed
        self.uses = uses
        self.pinned = pinned
        self.kept = kept
    }

    private enum CodingKeys: String, CodingKey {
        case id, kind, fingerprint, tokens, bytes, codec, created, uses, pinned, kept
        case lastUsed = "last_used"
    }
}

/// All about a record but its numbers.
public struct ChunkDetail: Codable, Sendable, Equatable {
    /// The record.
    public var entry: ChunkEntry
    /// Its token ids.
    public var tokenIds: [Int32]
    /// The ids of the chunks that a variant was captured behind.
    public var behind: [String]
    /// The ids of its variants.
    public var variants: [String]

    /// Makes a detail of its parts.
    public init(entry: ChunkEntry, tokenIds: [Int32], behind: [String], variants: [String]) {
        self.entry = entry
        self.tokenIds = tokenIds
        self.behind = behind
        self.variants = variants
    }

    private enum CodingKeys: String, CodingKey {
        case entry, behind, variants
        case tokenIds = "token_ids"
    }
}

/// Ids of records, for pinning and letting go.
public struct ChunkIDs: Codable, Sendable, Equatable, ClosedFields {
    /// The ids.
    public var ids: [String]

    /// Makes a list.
    public init(ids: [String]) {
        self.ids = ids
    }

    private enum CodingKeys: String, CodingKey, CaseIterable { case ids }

    package static let fieldNames = CodingKeys.names
}

/// What became of records.
public struct ChunkCount: Codable, Sendable, Equatable {
    /// How many there were.
    public var records: Int

    /// Makes a count.
    public init(records: Int) {
        self.records = records
    }
}

/// What became of KV that was made elsewhere.
public struct ImportedChunk: Codable, Sendable, Equatable {
    /// The chunk's id.
    public var id: String
    /// Its tokens.
    public var tokens: Int
    /// Bytes of its KV as they are kept.
    public var bytes: Int
    /// Whether it is new; an equal one may have been there.
    public var stored: Bool

    /// Makes an outcome of its parts.
    public init(id: String, tokens: Int, bytes: Int, stored: Bool) {
        self.id = id
        self.tokens = tokens
        self.bytes = bytes
        self.stored = stored
    }
}

/// What a namespace holds, and for administrators how the server does.
public struct Statistics: Codable, Sendable, Equatable {
    /// The records of one kind.
    public struct Row: Codable, Sendable, Equatable {
        /// The namespace.
        public var namespace: String
        /// `chunk`, `variant` or `prefix`.
        public var kind: String
        /// How many there are.
        public var records: Int
        /// Their tokens.
        public var tokens: Int
        /// Bytes of their KV.
        public var bytes: Int

        /// Makes a row of all its parts.
        public init(namespace: String, kind: String, records: Int, tokens: Int, bytes: Int) {
            self.namespace = namespace
            self.kind = kind
            self.records = records
            self.tokens = tokens
            self.bytes = bytes
        }
    }

    /// The whole server's, which only administrators see.
    public struct Server: Codable, Sendable, Equatable {
        /// Bytes of the store's folder.
        public var diskBytes: Int
        /// The most that it may take; 0 for no limit.
        public var diskCapBytes: Int
        /// Bytes on disk that no record uses.
        public var garbageBytes: Int
        /// Records in memory.
        public var hotRecords: Int
        /// Their bytes.
        public var hotBytes: Int
        /// Lookups that found their record.
        public var hits: Int
        /// Lookups that found none.
        public var misses: Int
        /// Records given up for room.
        public var evicted: Int
        /// Records found damaged and taken out.
        public var damaged: Int
        /// Records under each fingerprint.
        public var fingerprints: [String: Int]

        /// Makes figures of all their parts.
        public init(
            diskBytes: Int, diskCapBytes: Int, garbageBytes: Int, hotRecords: Int, hotBytes: Int, hits: Int,
            misses: Int, evicted: Int, damaged: Int, fingerprints: [String: Int]
        ) {
            self.diskBytes = diskBytes
            self.diskCapBytes = diskCapBytes
            self.garbageBytes = garbageBytes
            self.hotRecords = hotRecords
            self.hotBytes = hotBytes
            self.hits = hits
            self.misses = misses
            self.evicted = evicted
            self.damaged = damaged
            self.fingerprints = fingerprints
        }

        private enum CodingKeys: String, CodingKey {
            case hits, misses, evicted, damaged, fingerprints
            case diskBytes = "disk_bytes"
            case diskCapBytes = "disk_cap_bytes"
            case garbageBytes = "garbage_bytes"
            case hotRecords = "hot_records"
            case hotBytes = "hot_bytes"
        }
    }

    /// What is kept: of the tenant who asks, or of all for an administrator.
    public var rows: [Row]
    /// The whole server's; nil for those who are no administrators.
    public var server: Server?

    /// Makes statistics of their parts.
    public init(rows: [Row], server: Server? = nil) {
        self.rows = rows
        self.server = server
    }
}

/// A digest of all records of a namespace.
public struct ContentDigest: Codable, Sendable, Equatable {
    /// Equal for two namespaces that hold the same under the same name.
    public var digest: String
    /// How many records there are.
    public var records: Int

    /// Makes a digest of its parts.
    public init(digest: String, records: Int) {
        self.digest = digest
        self.records = records
    }
}
