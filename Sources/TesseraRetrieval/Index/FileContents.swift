// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// The bytes of a file, with what tells them from others.
struct FileContents {
    /// Greater files are refused, to bound memory.
    static let greatestSize = 256 << 20

    /// A file that changes within one tick of the file system's clock keeps its time. One that was read so soon after
    /// its last change is given a stamp that fits no file, so that the next run reads it again.
    private static let tick = 20_000_000

    var bytes: [UInt8]
    var stamp: FileStamp
    var digest: Digest256

    /// Reads a whole file; never waits for a pipe or a device.
    ///
    /// - Throws: ``Refusal`` when it can't be read.
    init(path: String) throws(Refusal) {
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw Refusal(FileTree.reason()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Refusal(FileTree.reason()) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Refusal("it is no regular file") }
        let size = Int(status.st_size)
        guard size <= Self.greatestSize else {
            throw Refusal("it is larger than \(Self.greatestSize >> 20) MB; split it")
        }
        stamp = FileStamp(status)
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        if now.tv_sec * 1_000_000_000 + now.tv_nsec - stamp.modified < Self.tick { stamp.modified = -1 }
        bytes = try Self.contents(of: descriptor, size: size)
        digest = Digest256(of: bytes)
    }

    private static func contents(of descriptor: Int32, size: Int) throws(Refusal) -> [UInt8] {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
            while filled < size {
                let count = read(descriptor, buffer.baseAddress.map { $0 + filled }, size - filled)
                if count < 0 && errno == EINTR { continue }
                failed = count < 0
                if count <= 0 { return }
                filled += count
            }
        }
        if failed { throw Refusal(FileTree.reason()) }
        return bytes
    }
}
