// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// The header record of a chunk or prefix: everything about it but the bytes of its layers.
///
/// It is what makes a record exist: layers without a header are rubbish, a header without its layers is damage.
struct RecordHeader: Sendable, Equatable {
    /// Where a layer's bytes end and what they must add up to.
    struct Layer: Sendable, Equatable {
        var byteCount: Int
        var checksum: UInt64
    }

    var kind: RecordKind
    var provenance: Provenance
    /// Where the layers lie, one after the other.
    var place: RecordPlace
    /// Microseconds since 1970.
    var created: Int64
    var fingerprint: Digest256
    var namespace: String
    var codec: String
    var layout: KVLayout
    var tokens: [TokenID]
    /// Those of the tokens, ascending, that the layers have rows of; nil for all.
    var kept: [Int]?
    var layers: [Layer]

    static let magic: UInt32 = 0x4B53_5354  // "TSSK"
    static let version: UInt16 = 3
    /// That of a record which lacks tokens. Whole ones stay as they were, and older builds go on reading them.
    static let versionWithHoles: UInt16 = 4
    static let mostTokens = 1 << 24
    static let longestText = 1024
    static let largestLayer = 1 << 30
    private static let furthestOffset: UInt64 = 1 << 48

    /// The tokens that the layers have rows of.
    var rows: Int { kept?.count ?? tokens.count }

    /// The size of all layers.
    var byteCount: Int { layers.reduce(0) { $0 + $1.byteCount } }

    /// The isolated key of the tokens of a contextual variant; nil for any other record.
    var variantOwner: ChunkKey? {
        guard provenance == .contextual else { return nil }
        return ChunkKey(fingerprint: fingerprint, namespace: namespace, chunk: tokens)
    }

    /// Where the layers lie, counted from the record's beginning.
    var layerRanges: [Range<Int>] { RecordPlace.layers(layers.lazy.map(\.byteCount)) }

    /// The bytes from the beginning of the first layer to the end of the last.
    var extent: Int { layerRanges.last?.upperBound ?? 0 }

    /// - Parameter stored: The layers as they are written, where that isn't as the record has them.
    init(of chunk: ChunkRecord, layers stored: [[UInt8]]? = nil, place: RecordPlace, created: Int64) {
        (kind, provenance, self.place, self.created) = (chunk.kind, chunk.provenance, place, created)
        (fingerprint, namespace, codec) = (chunk.fingerprint, chunk.namespace, chunk.codec)
        (layout, tokens, kept) = (chunk.layout, chunk.tokens, chunk.kept)
        layers = (stored ?? chunk.layers).map { layer in
            Layer(byteCount: layer.count, checksum: layer.withUnsafeBytes { TesseraStore.checksum($0) })
        }
    }

    /// The header's bytes as they are stored under `key`.
    ///
    /// The checksum is seeded with the key, so that a header that turns up under another one is damage too.
    func encoded(for key: ChunkKey) -> [UInt8] {
        var writer = ByteWriter()
        writer.add(Self.magic)
        writer.add(kept == nil ? Self.version : Self.versionWithHoles)
        writer.add(kind.rawValue)
        writer.add(provenance.rawValue)
        writer.add(place.segment)
        writer.add(place.offset)
        writer.add(created)
        writer.add(fingerprint)
        writer.add(namespace)
        writer.add(codec)
        writer.add(UInt32(layout.layers))
        writer.add(UInt32(layout.heads))
        writer.add(UInt32(layout.headDimension))
        writer.add(tokens)
        if let kept { writer.add(kept: kept, of: tokens.count) }
        for layer in layers {
            writer.add(UInt32(layer.byteCount))
            writer.add(layer.checksum)
        }
        return writer.sealed(seed: Self.seed(key))
    }

    /// Reads a header strictly.
    ///
    /// - Throws: `corrupt` for anything that ``encoded(for:)`` wouldn't have written, `unsupported` for a version that
    ///   this build doesn't know.
    init(_ bytes: UnsafeRawBufferPointer, for key: ChunkKey) throws(TesseraError) {
        var reader = try ByteReader(sealed: bytes, name: "a record's header", seed: Self.seed(key))
        guard try reader.number() == Self.magic else { throw reader.damaged("magic number") }
        let version = try reader.number(UInt16.self)
        guard version == Self.version || version == Self.versionWithHoles else {
            throw TesseraError(.unsupported, "a record has a format that only a newer Tessera reads; update Tessera")
        }
        guard let kind = RecordKind(rawValue: try reader.number()) else { throw reader.damaged("kind") }
        guard let provenance = Provenance(rawValue: try reader.number()) else { throw reader.damaged("provenance") }
        guard (kind == .prefix) == (provenance == .prefix) else { throw reader.damaged("provenance") }
        (self.kind, self.provenance) = (kind, provenance)
        place = RecordPlace(segment: try reader.number(), offset: try reader.number())
        guard place.offset % UInt64(RecordPlace.alignment) == 0, place.offset <= Self.furthestOffset else {
            throw reader.damaged("place")
        }
        created = try reader.number()
        fingerprint = try reader.digest()
        namespace = try reader.text()
        codec = try reader.text()
        guard namespace.utf8.count <= Self.longestText, codec.utf8.count <= Self.longestText else {
            throw reader.damaged("name")
        }
        layout = try Self.layout(&reader)
        tokens = try reader.tokens()
        guard !tokens.isEmpty, tokens.count <= Self.mostTokens else { throw reader.damaged("number of tokens") }
        if version == Self.versionWithHoles {
            // Prefixes and variants are exact or nothing.
            guard provenance == .isolated else { throw reader.damaged("version") }
            kept = try reader.kept(of: tokens.count)
        }
        layers = []
        layers.reserveCapacity(layout.layers)
        for _ in 0..<layout.layers {
            let byteCount = Int(try reader.number(UInt32.self))
            guard byteCount > 0, byteCount <= Self.largestLayer else { throw reader.damaged("layer size") }
            layers.append(Layer(byteCount: byteCount, checksum: try reader.number()))
        }
        try reader.finish()
    }

    /// The provenance that a header's bytes speak of, unverified.
    static func provenance(peeking bytes: UnsafeRawBufferPointer) -> Provenance? {
        bytes.count > 7 ? Provenance(rawValue: bytes[7]) : nil
    }

    /// Whether a header's bytes speak of a namespace, unverified.
    static func isOf(_ namespace: String, peeking bytes: UnsafeRawBufferPointer) -> Bool {
        let (start, name) = (namespaceOffset + MemoryLayout<UInt16>.size, namespace.utf8)
        guard bytes.count >= start + name.count else { return false }
        let count = UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: namespaceOffset, as: UInt16.self))
        return Int(count) == name.count && name.elementsEqual(bytes[start..<start + name.count])
    }

    /// Where the namespace's length stands: behind magic number, version, kind, provenance, place, time and fingerprint.
    private static let namespaceOffset = 4 + 2 + 1 + 1 + 8 + 8 + 8 + 32

    private static func layout(_ reader: inout ByteReader) throws(TesseraError) -> KVLayout {
        let (layers, heads, dimension) = (
            try reader.number(UInt32.self), try reader.number(UInt32.self), try reader.number(UInt32.self)
        )
        guard (1...UInt32(StoreKey.mostLayers)).contains(layers), heads > 0, dimension > 0,
            !heads.multipliedReportingOverflow(by: dimension).overflow
        else { throw reader.damaged("layout") }
        return KVLayout(layers: Int(layers), heads: Int(heads), headDimension: Int(dimension))
    }

    private static func seed(_ key: ChunkKey) -> UInt64 {
        key.digest.bytes.withUnsafeBytes { TesseraStore.checksum($0) }
    }
}
