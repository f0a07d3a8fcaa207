// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The store's own record: what a commit changes besides headers.
struct StoreState: Sendable, Equatable {
    /// Made when the store was, so that a catalog of another store is recognised.
    var identity: UInt64
    /// The number that the next segment gets.
    var nextSegment: UInt64 = 1
    /// The number of the last commit.
    var sequence: UInt64 = 0
    /// Drawn at random for the last commit, so that two histories of the same length are told apart.
    var nonce: UInt64 = 0
    /// The byte cap that the store was last opened with; 0 for none.
    var diskCap: UInt64 = 0

    static let version: UInt16 = 2

    init(identity: UInt64) {
        self.identity = identity
    }

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.add(Self.version)
        for number in [identity, nextSegment, sequence, nonce, diskCap] { writer.add(number) }
        return writer.sealed()
    }

    init(_ bytes: UnsafeRawBufferPointer) throws(TesseraError) {
        var reader = try ByteReader(sealed: bytes, name: "the store's state")
        guard try reader.number() == Self.version else { throw Self.newer }
        identity = try reader.number()
        nextSegment = try reader.number()
        sequence = try reader.number()
        nonce = try reader.number()
        diskCap = try reader.number()
        try reader.finish()
    }

    static let newer = TesseraError(
        .unsupported, "the store was written by a newer Tessera; update Tessera or use another folder")
}

/// One commit in the journal: which keys it put or removed.
///
/// The catalog replays what it hasn't seen; each key's header, or its absence, says what became of it.
struct JournalEntry: Sendable, Equatable {
    var nonce: UInt64
    var keys: [ChunkKey]

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.add(nonce)
        writer.add(UInt32(keys.count))
        for key in keys { writer.add(key.digest) }
        return writer.sealed()
    }

    init(nonce: UInt64, keys: [ChunkKey]) {
        (self.nonce, self.keys) = (nonce, keys)
    }

    init(_ bytes: UnsafeRawBufferPointer) throws(TesseraError) {
        var reader = try ByteReader(sealed: bytes, name: "a journal entry")
        nonce = try reader.number()
        keys = []
        for _ in 0..<(try reader.count(of: 32)) { keys.append(ChunkKey(digest: try reader.digest())) }
        try reader.finish()
    }
}
