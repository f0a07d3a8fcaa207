// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// A record about to be written: its key and header, and the bytes of its layers.
struct OutgoingRecord {
    let key: ChunkKey
    var header: RecordHeader
    /// The small record of a variant; nil for any other record.
    let variant: VariantRecord?
    let layers: [[UInt8]]

    /// - Parameters:
    ///   - created: Microseconds since 1970.
    ///   - cipher: What seals the layers of an encrypted store.
    init(_ record: ChunkRecord, created: Int64, _ cipher: StoreCipher? = nil) throws(TesseraError) {
        key = record.key
        var layers = record.layers
        if let cipher {
            for layer in layers.indices {
                let name = StoreCipher.name(of: layer, record.key)
                layers[layer] = try layers[layer].withBytes { (bytes) throws(TesseraError) in
                    try cipher.sealed(bytes, of: name)
                }
            }
        }
        self.layers = layers
        header = RecordHeader(
            of: record, layers: layers, place: RecordPlace(segment: 0, offset: 0), created: created)
        variant =
            record.provenance == .contextual
            ? VariantRecord(behind: record.behind, statistics: record.statistics) : nil
    }

    /// Bytes that its layers take on disk.
    var allocated: Int { RecordPlace.aligned(header.extent) }
}
