// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// A file mapped read-only and private for as long as this object lives.
///
/// A page of a file that was cut short after it was mapped can't be read: the kernel answers with SIGBUS. Every access
/// therefore asks for the file's size first, which turns a shrunk file into an error. Only a cut that falls into the
/// access itself is not caught; whoever replaces a model file should rename a new one over it, which leaves the mapped
/// one whole.
///
/// `@unchecked Sendable` because the mapping and the descriptor are set once and the memory is never written.
final class FileMapping: @unchecked Sendable {
    let path: String
    let byteCount: Int
    private let descriptor: CInt
    private let memory: UnsafeMutableRawPointer?

    init(path: String) throws(TesseraError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let code: TesseraError.Code = errno == ENOENT || errno == ENOTDIR ? .notFound : .io
            throw TesseraError(code, "can't open \(path): \(systemMessage())")
        }
        do throws(TesseraError) {
            byteCount = try Self.size(of: descriptor, path)
            memory = try Self.map(descriptor, byteCount, path)
        } catch {
            close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit {
        if let memory { munmap(memory, byteCount) }
        close(descriptor)
    }

    /// Lends some of the file's bytes.
    func withBytes<R>(
        _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(TesseraError) -> R
    ) throws(TesseraError) -> R {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "bytes beyond the file")
        let now = try Self.size(of: descriptor, path)
        guard now >= byteCount else {
            throw TesseraError(
                .corrupt, "\(path) was cut from \(byteCount) to \(now) bytes while in use; restore it and start again")
        }
        return try body(
            UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(start: memory, count: byteCount)[range]))
    }

    /// Gives the pages that lie wholly in `range` back to the system; they are read again when touched again.
    func release(_ range: Range<Int>) {
        let page = Int(getpagesize())
        let first = (range.lowerBound + page - 1) / page * page
        let last = range.upperBound / page * page
        guard let memory, first < last else { return }
        madvise(memory + first, last - first, MADV_DONTNEED)
    }

    private static func size(of descriptor: CInt, _ path: String) throws(TesseraError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw TesseraError(.io, "can't examine \(path): \(systemMessage())")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw TesseraError(.invalidInput, "\(path) is not a regular file")
        }
        return Int(status.st_size)
    }

    private static func map(
        _ descriptor: CInt, _ count: Int, _ path: String
    ) throws(TesseraError) -> UnsafeMutableRawPointer? {
        guard count > 0 else { return nil }
        guard let memory = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), memory != MAP_FAILED else {
            throw TesseraError(.io, "can't map \(path): \(systemMessage())")
        }
        return memory
    }
}

/// What the last failed system call complained of.
func systemMessage() -> String {
    String(cString: strerror(errno))
}
