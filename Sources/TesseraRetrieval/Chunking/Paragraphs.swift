// SPDX-License-Identifier: Apache-2.0

/// The runs of lines between blank lines, and the runs that are to stay as they are.
struct Paragraphs {
    private let range: Range<Int>
    private let verbatim: [Range<Int>]

    init(of range: Range<Int>, verbatim: [Range<Int>]) {
        self.range = range
        self.verbatim = verbatim
    }

    /// Calls `body` with each paragraph in order, trimmed at its end, and whether it is verbatim.
    func forEach(in bytes: [UInt8], _ body: (_ paragraph: Range<Int>, _ isVerbatim: Bool) throws -> Void) rethrows {
        var start = range.lowerBound
        for run in verbatim.map({ $0.clamped(to: range) }) where run.lowerBound >= start && !run.isEmpty {
            try forEachPlain(in: start..<run.lowerBound, of: bytes, body)
            let text = Whitespace.trim(run, in: bytes)
            if !text.isEmpty { try body(text, true) }
            start = run.upperBound
        }
        try forEachPlain(in: start..<range.upperBound, of: bytes, body)
    }

    private func forEachPlain(
        in range: Range<Int>, of bytes: [UInt8], _ body: (Range<Int>, Bool) throws -> Void
    ) rethrows {
        var paragraph: Int?
        var line = range.lowerBound
        while line < range.upperBound {
            let end = Self.lineEnd(from: line, to: range.upperBound, in: bytes)
            let isBlank = Whitespace.skip(line..<end, in: bytes) == end
            if isBlank, let start = paragraph {
                try body(start..<Whitespace.trimEnd(start..<line, in: bytes), false)
                paragraph = nil
            } else if !isBlank && paragraph == nil {
                paragraph = line
            }
            line = end
        }
        if let start = paragraph { try body(start..<Whitespace.trimEnd(start..<line, in: bytes), false) }
    }

    /// Behind the line end ("\n", "\r\n" or "\r") of the line that begins at `start`.
    private static func lineEnd(from start: Int, to end: Int, in bytes: [UInt8]) -> Int {
        var index = start
        while index < end {
            defer { index += 1 }
            if bytes[index] == UInt8(ascii: "\n") { return index + 1 }
            if bytes[index] == UInt8(ascii: "\r") {
                return index + 1 < end && bytes[index + 1] == UInt8(ascii: "\n") ? index + 2 : index + 1
            }
        }
        return end
    }
}
