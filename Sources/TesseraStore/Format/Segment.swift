// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// One file of layers: records that were written together, and how much of it is still used.
struct Segment: Sendable, Equatable {
    /// The file's number. Numbers only grow.
    var number: UInt64
    /// The file's size, a whole number of blocks.
    var byteCount: UInt64
    /// How many of its records have a header.
    var liveRecords: UInt32
    /// The bytes of their layers.
    var liveBytes: UInt64

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.add(byteCount)
        writer.add(liveRecords)
        writer.add(liveBytes)
        return writer.sealed(seed: number)
    }

    init(number: UInt64, byteCount: Int, liveRecords: Int, liveBytes: Int) {
        (self.number, self.byteCount) = (number, UInt64(byteCount))
        (self.liveRecords, self.liveBytes) = (UInt32(liveRecords), UInt64(liveBytes))
    }

    init(_ bytes: UnsafeRawBufferPointer, number: UInt64) throws(TesseraError) {
        var reader = try ByteReader(sealed: bytes, name: "a segment's record", seed: number)
        self.number = number
        byteCount = try reader.number()
        liveRecords = try reader.number()
        liveBytes = try reader.number()
        try reader.finish()
        guard liveBytes <= byteCount, byteCount <= UInt64(Int64.max) else { throw reader.damaged("size") }
    }

    /// Forgets a record that lost its header.
    mutating func release(_ byteCount: Int) {
        liveRecords -= min(1, liveRecords)
        liveBytes -= min(UInt64(byteCount), liveBytes)
    }
}

/// The blocks of a removed record in a segment that lives on: to be given back to the disk.
struct Hole: Sendable, Hashable {
    var place: RecordPlace
    /// A whole number of blocks.
    var byteCount: UInt64

    init(place: RecordPlace, extent: Int) {
        (self.place, self.byteCount) = (place, UInt64(RecordPlace.aligned(extent)))
    }

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.add(byteCount)
        return writer.sealed(seed: place.segment &+ place.offset)
    }

    init(_ bytes: UnsafeRawBufferPointer, place: RecordPlace) throws(TesseraError) {
        var reader = try ByteReader(sealed: bytes, name: "a hole's record", seed: place.segment &+ place.offset)
        self.place = place
        byteCount = try reader.number()
        try reader.finish()
        guard byteCount <= UInt64(Int64.max) - place.offset else { throw reader.damaged("size") }
    }
}
