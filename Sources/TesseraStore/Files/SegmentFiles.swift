// SPDX-License-Identifier: Apache-2.0

internal import CFiles
internal import Foundation
internal import Synchronization
internal import TesseraKV

/// The segments on disk: plain files of layers, each named by its number.
final class SegmentFiles: Sendable {
    private struct Open {
        var files: [UInt64: SegmentFile] = [:]
        /// The order of first use; good enough for choosing what to close.
        var order: [UInt64] = []
    }

    /// The folder.
    let path: String
    private let opened = Mutex(Open())

    init(path: String) {
        self.path = path
    }

    /// The numbers of all segments in the folder.
    func numbers() throws(TesseraError) -> [UInt64] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: path).compactMap { name in
                name.hasSuffix(Self.suffix) ? UInt64(name.dropLast(Self.suffix.count), radix: 16) : nil
            }
        } catch { throw TesseraError(.io, "couldn't read \(path): \(error.localizedDescription)") }
    }

    /// A segment's size, and the bytes of the blocks that it takes; nil when it is missing.
    func measure(_ segment: UInt64) -> (byteCount: Int, allocated: Int)? {
        var status = stat()
        guard stat(file(segment), &status) == 0 else { return nil }
        return (Int(status.st_size), Int(status.st_blocks) * 512)
    }

    /// Begins a new segment.
    func writer(_ segment: UInt64) throws(TesseraError) -> SegmentWriter {
        try SegmentWriter(path: file(segment))
    }

    /// Brings the names of new segments to disk.
    func sync() throws(TesseraError) {
        try syncFolder(path)
    }

    /// Opens a segment, if it isn't open yet.
    func lease(_ segment: UInt64) throws(TesseraError) -> SegmentLease {
        try opened.withLock { (opened) throws(TesseraError) in
            if let file = opened.files[segment] { return SegmentLease(file) }
            if opened.order.count >= Self.mostOpen { Self.closeSome(&opened) }
            let file = try SegmentFile(path: file(segment))
            opened.files[segment] = file
            opened.order.append(segment)
            return SegmentLease(file)
        }
    }

    /// Whether a lease on a segment is held.
    func isBeingRead(_ segment: UInt64) -> Bool {
        opened.withLock { $0.files[segment]?.isBeingRead ?? false }
    }

    /// What became of an attempt to give blocks back.
    enum Punching {
        case done, inUse, unsupported
    }

    /// Gives the blocks of a range back to the disk, unless somebody reads the segment.
    func punch(_ hole: Hole) throws(TesseraError) -> Punching {
        if isBeingRead(hole.place.segment) { return .inUse }
        let path = file(hole.place.segment)
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return .done }
            throw fileError("open", path)
        }
        defer { close(file) }
        if uninterrupted({ cf_punch(file, off_t(hole.place.offset), off_t(hole.byteCount)) }) == 0 { return .done }
        if errno == EOPNOTSUPP || errno == ENOSYS { return .unsupported }
        throw fileError("free blocks of", path)
    }

    /// Deletes a segment. Whoever has it open reads on; its blocks go with the last of them.
    func delete(_ segment: UInt64) throws(TesseraError) {
        opened.withLock { opened in
            if opened.files.removeValue(forKey: segment) != nil { opened.order.removeAll { $0 == segment } }
        }
        guard unlink(file(segment)) == 0 || errno == ENOENT else { throw fileError("delete", file(segment)) }
    }

    /// The path of a segment.
    func file(_ segment: UInt64) -> String {
        let digits = String(segment, radix: 16)
        return "\(path)/\(String(repeating: "0", count: 16 - digits.count))\(digits)\(Self.suffix)"
    }

    /// Closes the older half of the files that nobody reads.
    private static func closeSome(_ opened: inout Open) {
        var left = mostOpen / 2
        opened.order.removeAll { segment in
            guard left > 0, opened.files[segment]?.isBeingRead == false else { return false }
            left -= 1
            opened.files[segment] = nil
            return true
        }
    }

    private static let suffix = ".kv"
    private static let mostOpen = 256
}
