// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport

@testable import TesseraStore

/// Records whose every byte follows from a number, so that a reader can tell what must be there.
enum Sample {
    static let fingerprint = Digest256(of: [1])
    static let layout = KVLayout(layers: 3, heads: 2, headDimension: 4)

    static func record(
        _ number: Int, kind: RecordKind = .chunk, namespace: String = "", fingerprint: Digest256 = fingerprint,
        tokens: [TokenID]? = nil, layerBytes: Int = 100, layout: KVLayout = layout
    ) -> ChunkRecord {
        var numbers = SplitMix64(seed: UInt64(number))
        let layers = (0..<layout.layers).map { _ in bytes(layerBytes, &numbers) }
        return ChunkRecord(
            kind: kind, fingerprint: fingerprint, namespace: namespace,
            tokens: tokens ?? (0..<20).map { TokenID(number * 100 + $0) }, layout: layout, codec: "fp16",
            layers: layers)
    }

    /// A variant of the chunk that `record(number)` has, captured behind the chunks of other numbers.
    static func variant(
        _ number: Int, behind: [Int], namespace: String = "", fingerprint: Digest256 = fingerprint,
        statistics: [UInt8] = [1, 2, 3], layerBytes: Int = 100
    ) -> ChunkRecord {
        let chunk = record(number, namespace: namespace, fingerprint: fingerprint)
        var numbers = SplitMix64(seed: UInt64(number) << 32 | UInt64(behind.reduce(7) { $0 * 31 + $1 } & 0xFFFF_FFFF))
        return ChunkRecord(
            behind: behind.map { record($0, namespace: namespace, fingerprint: fingerprint).key },
            statistics: statistics, fingerprint: fingerprint, namespace: namespace, tokens: chunk.tokens,
            layout: layout, codec: "fp16", layers: (0..<layout.layers).map { _ in bytes(layerBytes, &numbers) })
    }

    /// A record of real numbers, which codecs can read.
    static func numbers(_ number: Int, tokens: Int, kind: RecordKind = .chunk, codec: StoreCodec = .fp16) throws
        -> ChunkRecord
    {
        var numbers = SplitMix64(seed: UInt64(number))
        let layout = KVLayout(layers: 2, heads: 2, headDimension: 32)
        let layers = try (0..<layout.layers).map { _ in
            let (keys, values) = (floats(tokens * layout.width, &numbers), floats(tokens * layout.width, &numbers))
            return try codec.codec.encode(keys: keys, values: values, layout: layout)
        }
        return ChunkRecord(
            kind: kind, fingerprint: fingerprint, namespace: "",
            tokens: (0..<tokens).map { TokenID(number * 1000 + $0) },
            layout: layout, codec: codec.rawValue, layers: layers)
    }

    private static func floats(_ count: Int, _ numbers: inout SplitMix64) -> [Float] {
        (0..<count).map { _ in Float(Int.random(in: -512...512, using: &numbers)) / 256 }
    }

    private static func bytes(_ count: Int, _ numbers: inout SplitMix64) -> [UInt8] {
        let words = (0..<(count + 7) / 8).map { _ in numbers.next() }
        return words.withUnsafeBytes { Array($0.prefix(count)) }
    }
}

extension ChunkStore {
    /// Opens a test's store in a folder of it: no byte of the disk is kept free.
    convenience init(
        in folder: URL, diskCap: Int? = nil, ramCap: Int = StoreOptions.leastRAMCap, freeDiskFloor: Int = 0,
        key: EncryptionKey? = nil, eviction: EvictionOptions = EvictionOptions()
    ) throws {
        try self.init(
            directory: folder.appending(path: "store"),
            options: StoreOptions(
                diskCap: diskCap, ramCap: ramCap, freeDiskFloor: freeDiskFloor, encryptionKey: key, eviction: eviction))
    }

    func lookup(_ record: ChunkRecord) throws -> StoredChunk? {
        try lookup(record.key, fingerprint: record.fingerprint, tokens: record.tokens)
    }

    /// The variants of the chunk that a record is of.
    func variants(_ record: ChunkRecord) throws -> [StoredVariant] {
        try variants(of: record.chunk, fingerprint: record.fingerprint, tokens: record.tokens)
    }

    /// Calls `body` with one layer of a record, read alone.
    func withLayer<Result>(
        _ layer: Int, of chunk: StoredChunk, _ body: (UnsafeRawBufferPointer) throws(TesseraError) -> Result
    ) throws(TesseraError) -> Result {
        guard let streamed = try stream(chunk) else { throw TesseraError(.notFound, "the record is a miss") }
        return try streamed.withLayer(layer, body)
    }

    /// The layers of a record as they come back; nil for a miss.
    func layers(of record: ChunkRecord) throws -> [[UInt8]]? {
        guard let chunk = try lookup(record), let loaded = try load(chunk) else { return nil }
        return (0..<chunk.layout.layers).map { loaded.withLayer($0) { [UInt8]($0) } }
    }
}

/// Runs `body` with the database of a closed store, to do to it what no store would.
func withDatabase(of folder: URL, key: EncryptionKey? = nil, _ body: (RocksDatabase, StoreDirectory) throws -> Void)
    throws
{
    let directory = try StoreDirectory(folder.appending(path: "store"))
    try body(try RocksDatabase(path: directory.database, lock: try StoreLock(directory), key: key), directory)
}

/// The code of the error that `body` throws; nil when it throws none of ours.
func code(_ body: () throws -> Void) -> TesseraError.Code? {
    do { try body() } catch { return (error as? TesseraError)?.code }
    return nil
}
