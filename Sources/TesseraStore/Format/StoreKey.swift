// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The keys of everything in the database (`Format.md` has the table).
///
/// Numbers are big-endian, so that RocksDB's order of bytes is their order.
enum StoreKey {
    /// The most layers that a record can have.
    static let mostLayers = Int(UInt16.max)

    /// The one record of the store's state.
    static let state = [UInt8(ascii: "m")]

    /// The one record of the catalog's seal.
    static let seal = [UInt8(ascii: "c")]

    /// The one record of an encrypted store's key.
    static let encryption = [UInt8(ascii: "e")]

    /// Whether the values of a kind of records are sealed in an encrypted store: what speaks of a text's content.
    static func isSealed(_ key: [UInt8]) -> Bool {
        key.first.map { [UInt8(ascii: "h"), UInt8(ascii: "v"), UInt8(ascii: "a")].contains($0) } ?? false
    }

    static let headers = range(of: "h")
    static let segments = range(of: "s")
    static let journal = range(of: "j")
    static let fingerprints = range(of: "f")
    static let quarantine = range(of: "q")
    static let variants = range(of: "v")
    static let assets = range(of: "a")
    static let holes = range(of: "g")
    static let pins = range(of: "p")

    static func header(_ key: ChunkKey) -> [UInt8] { headers.start + key.digest.bytes }
    static func segment(_ number: UInt64) -> [UInt8] { segments.start + bigEndian(number) }
    static func hole(_ place: RecordPlace) -> [UInt8] {
        holes.start + bigEndian(place.segment) + bigEndian(place.offset)
    }
    static func pin(_ key: ChunkKey) -> [UInt8] { pins.start + key.digest.bytes }
    static func journal(_ sequence: UInt64) -> [UInt8] { journal.start + bigEndian(sequence) }
    static func fingerprint(_ digest: Digest256) -> [UInt8] { fingerprints.start + digest.bytes }

    static func quarantine(_ sequence: UInt64, _ key: ChunkKey) -> [UInt8] {
        quarantine.start + bigEndian(sequence) + key.digest.bytes
    }

    static func variant(_ key: ChunkKey, of chunk: ChunkKey) -> [UInt8] {
        variants.start + chunk.digest.bytes + key.digest.bytes
    }

    /// The keys of all variants of a chunk; the end lies beyond any digest.
    static func variants(of chunk: ChunkKey) -> (start: [UInt8], end: [UInt8]) {
        let start = variants.start + chunk.digest.bytes
        return (start, start + [UInt8](repeating: .max, count: 33))
    }

    static func asset(_ name: String) -> [UInt8] { assets.start + Array(name.utf8) }

    /// The chunk key in a header's key; nil for a key that is none.
    static func chunk(ofHeader key: UnsafeRawBufferPointer) -> ChunkKey? {
        Digest256(bytes: key.dropFirst()).map(ChunkKey.init(digest:))
    }

    /// The variant's own key in the key of its small record; nil for a key that has none.
    static func variant(ofRecord key: UnsafeRawBufferPointer) -> ChunkKey? {
        Digest256(bytes: key.dropFirst(33)).map(ChunkKey.init(digest:))
    }

    /// The name in an asset's key; nil for one that is no UTF-8.
    static func name(ofAsset key: UnsafeRawBufferPointer) -> String? {
        let name = String(decoding: key.dropFirst(), as: UTF8.self)
        return name.utf8.elementsEqual(key.dropFirst()) ? name : nil
    }

    /// The number in a segment's or a journal entry's key; nil for a key that has none.
    static func number(_ key: UnsafeRawBufferPointer) -> UInt64? {
        key.count == 9 ? UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 1, as: UInt64.self)) : nil
    }

    /// The place in a hole's key; nil for a key that has none.
    static func place(ofHole key: UnsafeRawBufferPointer) -> RecordPlace? {
        guard key.count == 17 else { return nil }
        return RecordPlace(
            segment: UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 1, as: UInt64.self)),
            offset: UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 9, as: UInt64.self)))
    }

    private static func range(of kind: Unicode.Scalar) -> (start: [UInt8], end: [UInt8]) {
        ([UInt8(ascii: kind)], [UInt8(ascii: kind) + 1])
    }

    private static func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { [UInt8]($0) }
    }
}
