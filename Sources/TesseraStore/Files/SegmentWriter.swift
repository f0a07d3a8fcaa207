// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// Writes a new segment from front to back.
final class SegmentWriter {
    private let path: String
    private let file: Int32
    private(set) var byteCount = 0

    /// Creates the file; one of that name is an error.
    init(path: String) throws(TesseraError) {
        self.path = path
        file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw fileError("create", path) }
    }

    deinit { close(file) }

    func append(_ bytes: UnsafeRawBufferPointer) throws(TesseraError) {
        var rest = bytes
        while let start = rest.baseAddress, !rest.isEmpty {
            let written = uninterrupted { Foundation.write(file, start, min(rest.count, Self.pieceByteCount)) }
            guard written > 0 else { throw fileError("write", path) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
            byteCount += written
        }
    }

    /// Goes on at a place ahead, with zeros up to there.
    func pad(to place: Int) throws(TesseraError) {
        guard place > byteCount else { return }
        try [UInt8](repeating: 0, count: place - byteCount).withBytes(append)
    }

    /// Brings the file's bytes to disk; its name needs a sync of the folder.
    func finish() throws(TesseraError) {
        guard uninterrupted({ fdatasync(file) }) == 0 else { throw fileError("sync", path) }
    }

    private static let pieceByteCount = 1 << 20
}
