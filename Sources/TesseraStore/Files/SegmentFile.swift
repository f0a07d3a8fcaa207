// SPDX-License-Identifier: Apache-2.0

internal import CFiles
internal import Foundation
internal import Synchronization
internal import TesseraKV

/// A segment that is open for reading.
///
/// Reads copy from the page cache what is there. The rest they take past it, into the reader's own memory: measured,
/// that is the one way to get a disk's whole speed whatever read-ahead the kernel chooses, and what is used again is
/// kept in memory by the store itself, as whole verified records.
final class SegmentFile: Sendable {
    private let path: String
    private let cached: Int32
    /// The same file past the page cache; -1 where the file system can't.
    private let direct: Int32
    /// The file's size when it was opened; it never grows.
    let byteCount: Int
    private let leases = Atomic(0)

    init(path: String) throws(TesseraError) {
        self.path = path
        cached = open(path, O_RDONLY | O_CLOEXEC)
        guard cached >= 0 else {
            if errno == ENOENT { throw TesseraError(.notFound, "the file of layers \(path) is missing") }
            throw fileError("open", path)
        }
        direct = cf_open_direct(path)
        var status = stat()
        byteCount = fstat(cached, &status) == 0 ? Int(status.st_size) : 0
    }

    deinit {
        close(cached)
        if direct >= 0 { close(direct) }
    }

    /// Whether a lease on the segment is held.
    var isBeingRead: Bool { leases.load(ordering: .acquiring) > 0 }

    fileprivate func begin() { leases.add(1, ordering: .acquiring) }
    fileprivate func end() { leases.subtract(1, ordering: .releasing) }

    /// Reads a range of the file.
    ///
    /// - Parameter memory: Where the bytes go, as large as the range in whole blocks (``window(of:)``).
    /// - Returns: Whether the file has all of the range.
    func read(_ window: ReadWindow, into memory: UnsafeMutableRawBufferPointer) throws(TesseraError) -> Bool {
        precondition(memory.count >= window.byteCount, "memory for whole blocks")
        guard let start = memory.baseAddress else { return true }
        var done = window.skipped
        let end = window.skipped + window.wanted
        while done < end {
            let read = cf_read_cached(cached, start + done, end - done, off_t(window.offset + done))
            if read <= 0 { break }
            done += read
        }
        if done < end, direct >= 0 { done = try readDirectly(window, into: start, from: done) }
        while done < end {
            let read = uninterrupted { pread(cached, start + done, end - done, off_t(window.offset + done)) }
            if read == 0 { return false }
            guard read > 0 else { throw fileError("read", path) }
            done += read
        }
        return true
    }

    /// Reads on in whole blocks.
    ///
    /// - Returns: How far it came; what is left is for the page cache to read, or to say why not.
    private func readDirectly(
        _ window: ReadWindow, into start: UnsafeMutableRawPointer, from done: Int
    ) throws(TesseraError) -> Int {
        let end = window.skipped + window.wanted
        var place = done / RecordPlace.alignment * RecordPlace.alignment
        while place < end {
            let read = uninterrupted {
                pread(direct, start + place, window.byteCount - place, off_t(window.offset + place))
            }
            guard read > 0 else { break }
            place += read
            // The file ended within a block, or the disk gave less than was asked for.
            if read % RecordPlace.alignment != 0 { break }
        }
        return max(done, min(place, end))
    }
}

/// A range of a file, and the whole blocks that it lies in.
struct ReadWindow {
    /// Where the first of the blocks begins.
    let offset: Int
    /// The bytes of all blocks.
    let byteCount: Int
    /// Bytes in front of the range.
    let skipped: Int
    /// Bytes of the range.
    let wanted: Int

    init(_ range: Range<Int>) {
        offset = range.lowerBound / RecordPlace.alignment * RecordPlace.alignment
        skipped = range.lowerBound - offset
        wanted = range.count
        byteCount = RecordPlace.aligned(skipped + wanted)
    }
}

/// The right to read a segment: while one is held, no block of the segment is given back.
final class SegmentLease: Sendable {
    let file: SegmentFile

    init(_ file: SegmentFile) {
        self.file = file
        file.begin()
    }

    deinit { file.end() }
}
