// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The small record of a contextual variant: behind what it was captured, and what was measured there.
///
/// It lies apart from the header and under the chunk's key, so that all variants of a chunk are weighed in one scan,
/// without their tokens and layers.
struct VariantRecord: Sendable, Equatable {
    var behind: [ChunkKey]
    var statistics: [UInt8]

    static let mostBehind = 4096
    static let largestStatistics = 4 << 20

    init(behind: [ChunkKey], statistics: [UInt8]) {
        (self.behind, self.statistics) = (behind, statistics)
    }

    /// The size of the record and its key.
    var byteCount: Int { 32 * behind.count + statistics.count + 81 }

    /// The bytes as they are stored, good under these two keys alone.
    func encoded(for key: ChunkKey, of chunk: ChunkKey) -> [UInt8] {
        var writer = ByteWriter()
        writer.add(UInt32(behind.count))
        for key in behind { writer.add(key.digest) }
        writer.add(statistics)
        return writer.sealed(seed: Self.seed(key, chunk))
    }

    /// Reads a record strictly.
    init(_ bytes: UnsafeRawBufferPointer, for key: ChunkKey, of chunk: ChunkKey) throws(TesseraError) {
        var reader = try ByteReader(sealed: bytes, name: "a variant's record", seed: Self.seed(key, chunk))
        let count = try reader.count(of: 32)
        guard (1...Self.mostBehind).contains(count) else { throw reader.damaged("number of chunks") }
        behind = []
        behind.reserveCapacity(count)
        for _ in 0..<count { behind.append(ChunkKey(digest: try reader.digest())) }
        statistics = try reader.bytes()
        guard statistics.count <= Self.largestStatistics else { throw reader.damaged("size") }
        try reader.finish()
    }

    private static func seed(_ key: ChunkKey, _ chunk: ChunkKey) -> UInt64 {
        (chunk.digest.bytes + key.digest.bytes).withUnsafeBytes { checksum($0) }
    }
}
