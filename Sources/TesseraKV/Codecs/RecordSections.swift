// SPDX-License-Identifier: Apache-2.0

/// Where sections of known sizes begin, each at a multiple of 16 with zeros before it.
struct RecordSections {
    let starts: [Int]
    /// The zeros behind each section but the last.
    let gaps: [Range<Int>]
    let byteCount: Int

    /// Lays sections out one behind the other, from byte `first` on.
    init(_ sizes: [Int], from first: Int = 0) {
        var (starts, gaps, end) = ([Int](), [Range<Int>](), first)
        for size in sizes {
            let start = (end + 15) / 16 * 16
            gaps.append(end..<start)
            starts.append(start)
            end = start + size
        }
        (self.starts, self.gaps, byteCount) = (starts, gaps, end)
    }

    /// Whether a record is as long as its sections and has nothing between them.
    func fit(_ record: UnsafeRawBufferPointer) -> Bool {
        record.count == byteCount && gaps.allSatisfy { record[$0].allSatisfy { $0 == 0 } }
    }
}

/// Rows of numbers of 2 or 4 bits, each of which begins at a byte.
struct PackedRows {
    let bits: Int
    let width: Int

    /// Bytes of a row.
    var byteCount: Int { (width * bits + 7) / 8 }

    /// Whether the bits behind the last number of each row are zero.
    func areClean(_ record: UnsafeRawBufferPointer, at start: Int, rows: Int) -> Bool {
        let used = width * bits % 8
        guard used > 0 else { return true }
        return (1..<rows + 1).allSatisfy { record[start + $0 * byteCount - 1] >> used == 0 }
    }
}
