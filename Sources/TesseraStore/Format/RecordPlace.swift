// SPDX-License-Identifier: Apache-2.0

/// Where a record's layers lie: one run of bytes of one segment. No other record ever lies there.
struct RecordPlace: Sendable, Hashable {
    /// The number of the segment.
    var segment: UInt64
    /// Where the first layer begins, a multiple of ``alignment``.
    var offset: UInt64

    /// Records begin where a block of the file system does, so that the blocks of each can be given back, and be read
    /// past the page cache.
    static let alignment = 4096

    /// A length rounded up to whole blocks.
    static func aligned(_ byteCount: Int) -> Int {
        (byteCount + alignment - 1) / alignment * alignment
    }
}

extension RecordPlace {
    /// Where layers of these sizes lie, counted from the record's beginning: one behind the other, large ones in blocks of
    /// their own, so that each can be read past the page cache without its neighbours.
    static func layers(_ byteCounts: some Sequence<Int>) -> [Range<Int>] {
        var end = 0
        return byteCounts.map { byteCount in
            let isLarge = byteCount >= largeLayer
            let start = isLarge ? aligned(end) : end
            end = isLarge ? aligned(start + byteCount) : start + byteCount
            return start..<start + byteCount
        }
    }

    /// The size from which a layer has blocks of its own; they waste 3 % of it at most, and half of that on average.
    static let largeLayer = 128 << 10
}
