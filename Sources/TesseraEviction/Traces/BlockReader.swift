// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// Reads a file in blocks, and hands out lines or runs of bytes.
struct BlockReader {
    let path: String
    /// Lines handed out so far.
    private(set) var line = 0
    private let handle: FileHandle
    private var block: [UInt8] = []
    private var start = 0
    private var isAtEnd = false

    private static let blockByteCount = 1 << 20
    /// No line of a trace is nearly as long; more would be a file of another kind.
    private static let longestLine = 1 << 26

    init(_ path: String) throws(TesseraError) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
            throw TesseraError(.notFound, "there is no trace \(path)")
        }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw TesseraError(.io, "the trace \(path) can't be opened; look at its permissions")
        }
        (self.path, self.handle) = (path, handle)
    }

    /// Calls `body` with the next line, without its end, and its number; empty lines are passed over.
    ///
    /// - Returns: What `body` returned; nil at the end of the file.
    mutating func nextLine<R>(
        _ body: (_ block: [UInt8], _ line: Range<Int>, _ number: Int) throws(TesseraError) -> R
    ) throws(TesseraError) -> R? {
        while let range = try lineRange() {
            line += 1
            start = range.upperBound + 1
            let end = range.last.map { block[$0] == 0x0D } == true ? range.upperBound - 1 : range.upperBound
            guard range.lowerBound < end else { continue }
            return try body(block, range.lowerBound..<end, line)
        }
        return nil
    }

    private mutating func lineRange() throws(TesseraError) -> Range<Int>? {
        var searched = start
        while true {
            var place = searched
            while place < block.count {
                if block[place] == 0x0A { return start..<place }
                place += 1
            }
            guard !isAtEnd else {
                // A last line without an end.
                return start < block.count ? start..<block.count : nil
            }
            guard block.count - start < Self.longestLine else {
                throw TesseraError(.corrupt, "\(path), line \(line + 1): no end of the line; it is no trace of lines")
            }
            searched = block.count - start
            try fill()
        }
    }

    /// The next bytes; fewer only at the end of the file.
    mutating func next(_ count: Int) throws(TesseraError) -> ArraySlice<UInt8> {
        while block.count - start < count, !isAtEnd { try fill() }
        let range = start..<min(block.count, start + count)
        start = range.upperBound
        return block[range]
    }

    private mutating func fill() throws(TesseraError) {
        block.removeSubrange(..<start)
        start = 0
        do {
            let more = try handle.read(upToCount: Self.blockByteCount) ?? Data()
            isAtEnd = more.isEmpty
            block.append(contentsOf: more)
        } catch {
            throw TesseraError(.io, "reading the trace \(path): \(error.localizedDescription)")
        }
    }
}
