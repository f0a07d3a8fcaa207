// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// A record that a lookup found: all about it but the bytes of its layers.
///
/// It is a note and holds nothing on disk: when the record is removed meanwhile, loading it is a miss.
package struct StoredChunk: Sendable {
    /// The name that the record is stored by.
    package let key: ChunkKey
    let header: RecordHeader

    /// What the record stands for in a prompt.
    package var kind: RecordKind { header.kind }
    /// Behind what its KV was computed.
    package var provenance: Provenance { header.provenance }
    /// The digest of the fingerprint that its KV was computed under.
    package var fingerprint: Digest256 { header.fingerprint }
    /// The tenant scope.
    package var namespace: String { header.namespace }
    /// The ids of the chunk, or of the whole prefix.
    package var tokens: [TokenID] { header.tokens }
    /// Those of the tokens, ascending, that the layers have rows of; nil for all. Prefixes and variants have all.
    package var kept: [Int]? { header.kept }
    /// The tokens that the layers have rows of.
    package var rows: Int { header.rows }
    /// The shape of keys and values.
    package var layout: KVLayout { header.layout }
    /// The name of the codec that made the layers' bytes.
    package var codec: String { header.codec }
    /// The size of all layers.
    package var byteCount: Int { header.byteCount }
    /// When the record was put, in microseconds since 1970.
    package var created: Int64 { header.created }
    /// The size and the XXH3-64 of each layer as it is on disk.
    package var layers: [(byteCount: Int, checksum: UInt64)] { header.layers.map { ($0.byteCount, $0.checksum) } }
    /// The number of the segment that it lies in, and where it begins there.
    package var place: (segment: UInt64, offset: UInt64) { (header.place.segment, header.place.offset) }
}

/// A record whose layers are at hand, whole and verified.
///
/// The bytes stay valid for as long as this object lives, also when the record is removed or the store is closed
/// meanwhile.
package final class LoadedChunk: Sendable {
    /// The record.
    package let chunk: StoredChunk
    /// The name of the codec that reads the layers as they are here: the hot tier keeps compressed records unpacked.
    package let codec: String
    private let bytes: LayerBytes

    init(_ chunk: StoredChunk, codec: String? = nil, _ bytes: LayerBytes) {
        (self.chunk, self.codec, self.bytes) = (chunk, codec ?? chunk.codec, bytes)
    }

    /// The same record in the form in which memory keeps it. One that can't be unpacked stays as it is: its reader finds
    /// out why.
    func unpacked(_ pool: MemoryPool) -> LoadedChunk {
        guard let codec = StoreCodec.codec(named: codec), let plain = codec.unpackedCodec else { return self }
        let size = plain.byteCount(tokens: chunk.rows, layout: chunk.layout)
        let places = RecordPlace.layers(repeatElement(size, count: chunk.layout.layers))
        let memory = pool.take(places.last?.upperBound ?? 0)
        do throws(TesseraError) {
            for (layer, place) in places.enumerated() {
                try withLayer(layer) { (record) throws(TesseraError) in
                    try codec.unpack(
                        record, tokens: chunk.rows, layout: chunk.layout,
                        into: UnsafeMutableRawBufferPointer(rebasing: memory.bytes[place]))
                }
            }
        } catch {
            return self
        }
        return LoadedChunk(chunk, codec: plain.name, LayerBytes(memory, at: places))
    }

    /// The memory that the record takes.
    var footprint: Int { bytes.footprint + 4 * chunk.tokens.count + 8 * (chunk.kept?.count ?? 0) + 1024 }

    /// Calls `body` with the bytes of a layer. They must not be used after this object is gone.
    package func withLayer<Result, Failure: Error>(
        _ layer: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(chunk.layout.layers > layer && layer >= 0, "layer beyond the record")
        return try bytes.withLayer(layer, body)
    }
}
