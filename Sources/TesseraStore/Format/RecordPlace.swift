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
