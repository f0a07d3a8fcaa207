// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// One table file of layer records: a run of record numbers that were written together and leave the disk together.
struct Segment: Sendable, Equatable {
    /// The first record in the file.
    var first: UInt64
    /// The last record in the file.
    var last: UInt64
    /// The file's size.
    var byteCount: UInt64
    /// How many of its records have a header.
    var liveRecords: UInt32
    /// The bytes of their layers.
    var liveBytes: UInt64

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.add(last)
        writer.add(byteCount)
        writer.add(liveRecords)
        writer.add(liveBytes)
        return writer.sealed()
    }

    init(first: UInt64, last: UInt64, byteCount: Int, liveRecords: Int, liveBytes: Int) {
        (self.first, self.last, self.byteCount) = (first, last, UInt64(byteCount))
        (self.liveRecords, self.liveBytes) = (UInt32(liveRecords), UInt64(liveBytes))
    }

    init(_ bytes: UnsafeRawBufferPointer, first: UInt64) throws(TesseraError) {
        var reader = try ByteReader(sealed: bytes, name: "a segment's record")
        self.first = first
        last = try reader.number()
        byteCount = try reader.number()
        liveRecords = try reader.number()
        liveBytes = try reader.number()
        try reader.finish()
        guard last >= first else { throw reader.damaged("range") }
    }

    /// Forgets a record that lost its header.
    mutating func release(_ byteCount: Int) {
        liveRecords -= min(1, liveRecords)
        liveBytes -= min(UInt64(byteCount), liveBytes)
    }
}
