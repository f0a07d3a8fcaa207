// SPDX-License-Identifier: Apache-2.0

/// White space in UTF-8 bytes, as Unicode's property `White_Space` has it.
enum Whitespace {
    /// The length of the white-space character that begins at `index`; 0 where another one does.
    static func length(at index: Int, in bytes: borrowing [UInt8], end: Int) -> Int {
        let first = bytes[index]
        if first < 0x80 { return first == 0x20 || (0x09...0x0D).contains(first) ? 1 : 0 }
        guard first == 0xC2 || first == 0xE1 || first == 0xE2 || first == 0xE3 else { return 0 }
        guard index + 1 < end else { return 0 }
        let second = bytes[index + 1]
        if first == 0xC2 { return second == 0x85 || second == 0xA0 ? 2 : 0 }
        guard index + 2 < end else { return 0 }
        let third = bytes[index + 2]
        switch (first, second) {
        case (0xE1, 0x9A), (0xE3, 0x80): return third == 0x80 ? 3 : 0
        case (0xE2, 0x80): return (0x80...0x8A).contains(third) || [0xA8, 0xA9, 0xAF].contains(third) ? 3 : 0
        case (0xE2, 0x81): return third == 0x9F ? 3 : 0
        default: return 0
        }
    }

    /// The first index in `range` that is no white space; its end where all is.
    static func skip(_ range: Range<Int>, in bytes: borrowing [UInt8]) -> Int {
        var index = range.lowerBound
        while index < range.upperBound {
            let length = length(at: index, in: bytes, end: range.upperBound)
            if length == 0 { break }
            index += length
        }
        return index
    }

    /// The end of what is left of `range` without the white space at its end.
    static func trimEnd(_ range: Range<Int>, in bytes: borrowing [UInt8]) -> Int {
        var end = range.upperBound
        while end > range.lowerBound {
            var start = end - 1
            while start > range.lowerBound && bytes[start] & 0xC0 == 0x80 { start -= 1 }
            if length(at: start, in: bytes, end: end) != end - start { break }
            end = start
        }
        return end
    }

    /// `range` without white space at either end.
    static func trim(_ range: Range<Int>, in bytes: borrowing [UInt8]) -> Range<Int> {
        let start = skip(range, in: bytes)
        return start..<trimEnd(start..<range.upperBound, in: bytes)
    }
}
