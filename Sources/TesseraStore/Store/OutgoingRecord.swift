// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// A record about to be written: its key and header, and the bytes of its layers.
struct OutgoingRecord {
    let key: ChunkKey
    var header: RecordHeader
    /// The small record of a variant; nil for any other record.
    let variant: VariantRecord?
    let layers: [[UInt8]]

    /// - Parameter created: Microseconds since 1970.
    init(_ record: ChunkRecord, created: Int64) {
        key = record.key
        header = RecordHeader(of: record, place: RecordPlace(segment: 0, offset: 0), created: created)
        variant =
            record.provenance == .contextual
            ? VariantRecord(behind: record.behind, statistics: record.statistics) : nil
        layers = record.layers
    }

    /// Bytes that its layers take on disk.
    var allocated: Int { RecordPlace.aligned(header.extent) }
}
