// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// A record about to be written: its key and header, and where the bytes of its layers come from.
struct OutgoingRecord {
    enum Layers {
        /// From a caller.
        case bytes([[UInt8]])
        /// From the file that they leave.
        case pinned(PinnedLayers)
    }

    let key: ChunkKey
    var header: RecordHeader
    /// The small record of a variant that is put; nil for any other record, and for one that only moves.
    var variant: VariantRecord?
    let layers: Layers

    /// A record that a caller hands over.
    init(_ record: ChunkRecord, number: UInt64, created: Int64) {
        key = record.key
        header = RecordHeader(of: record, record: number, created: created)
        if record.provenance == .contextual {
            variant = VariantRecord(behind: record.behind, statistics: record.statistics)
        }
        layers = .bytes(record.layers)
    }

    /// A record that moves to another file; its header has the new number.
    init(moving key: ChunkKey, _ header: RecordHeader, _ pinned: PinnedLayers) {
        (self.key, self.header, layers) = (key, header, .pinned(pinned))
    }

    func withLayer(_ layer: Int, _ body: (UnsafeRawBufferPointer) throws(TesseraError) -> Void) throws(TesseraError) {
        switch layers {
        case .bytes(let layers): try layers[layer].withBytes(body)
        case .pinned(let pinned): try body(pinned.layers[layer])
        }
    }
}
