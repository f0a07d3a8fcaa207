// SPDX-License-Identifier: Apache-2.0

internal import CFiles
internal import Foundation
internal import TesseraKV

/// One file of the same bytes that a store holds, written and read as plainly as the system allows.
final class PlainFile {
    private let path: String
    private let piece: Int
    private var pieces = 0
    private let buffer: UnsafeMutableRawBufferPointer

    /// - Parameter piece: The size of a read.
    init(_ path: String, piece: Int) throws {
        (self.path, self.piece) = (path, piece)
        buffer = .allocate(byteCount: piece, alignment: 4096)
        buffer.initializeMemory(as: UInt8.self, repeating: 1)
    }

    deinit { buffer.deallocate() }

    /// Writes a new file in pieces of 1 MiB and brings it to disk.
    func write(_ parts: [[UInt8]], times: Int) throws {
        unlink(path)
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        guard file >= 0 else { throw failure("create") }
        defer { close(file) }
        for _ in 0..<times {
            for part in parts {
                try part.withUnsafeBytes { bytes in
                    for start in stride(from: 0, to: bytes.count, by: 1 << 20) {
                        let count = min(1 << 20, bytes.count - start)
                        guard Foundation.write(file, bytes.baseAddress.map { $0 + start }, count) == count else {
                            throw failure("write")
                        }
                    }
                }
            }
        }
        guard fdatasync(file) == 0 else { throw failure("sync") }
        pieces = parts.reduce(0) { $0 + $1.count } * times / piece
    }

    /// Reads it all into the one buffer.
    func read() throws {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { throw failure("open") }
        defer { close(file) }
        for _ in 0..<pieces {
            guard Foundation.read(file, buffer.baseAddress, piece) == piece else { throw failure("read") }
        }
    }

    /// Reads it all past the page cache, one read after the other.
    func readDirectly() throws {
        let file = cf_open_direct(path)
        guard file >= 0 else { throw failure("open past the page cache") }
        defer { close(file) }
        for _ in 0..<pieces {
            guard Foundation.read(file, buffer.baseAddress, piece) == piece else { throw failure("read") }
        }
    }

    func dropPages() throws { try Self.dropPages(of: path) }

    /// Takes a file's pages, all of them on disk, out of the page cache.
    static func dropPages(of path: String) throws {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { throw TesseraError(.io, "couldn't open \(path)") }
        defer { close(file) }
        posix_fadvise(file, 0, 0, Int32(POSIX_FADV_DONTNEED))
    }

    private func failure(_ doing: String) -> TesseraError {
        TesseraError(.io, "couldn't \(doing) \(path): \(String(cString: strerror(errno)))")
    }
}
