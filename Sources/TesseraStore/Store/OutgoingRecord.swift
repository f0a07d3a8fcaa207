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
    let layers: Layers

    func withLayer(_ layer: Int, _ body: (UnsafeRawBufferPointer) throws(TesseraError) -> Void) throws(TesseraError) {
        switch layers {
        case .bytes(let layers): try layers[layer].withBytes(body)
        case .pinned(let pinned): try body(pinned.layers[layer])
        }
    }
}
