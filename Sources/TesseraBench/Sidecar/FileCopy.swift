// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Foundation
internal import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// Writes bytes from memory into a new file, as plainly as it goes: the baseline of leases.
struct FileCopy {
    private let source: [UInt8]
    private let path: String

    /// - Parameter path: A file on the file system to measure.
    init(bytes: Int, beside path: String) {
        source = [UInt8](repeating: 7, count: bytes)
        self.path = path + ".copy"
    }

    /// Seconds that it takes.
    func seconds(threads: Int) throws(TesseraError) -> Double {
        let file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw TesseraError(.io, "couldn't make \(path): \(String(cString: strerror(errno)))") }
        defer {
            close(file)
            unlink(path)
        }
        let start = ContinuousClock.now
        ftruncate(file, off_t(source.count))
        let share = source.count / threads
        source.withUnsafeBytes { bytes in
            // Unsafe because a pointer crosses threads: they only read, and all are done before the closure returns.
            nonisolated(unsafe) let base = bytes.baseAddress
            DispatchQueue.concurrentPerform(iterations: threads) { thread in
                let (from, to) = (thread * share, thread == threads - 1 ? source.count : (thread + 1) * share)
                for offset in stride(from: from, to: to, by: 1 << 20) {
                    pwrite(file, base.map { $0 + offset }, min(1 << 20, to - offset), off_t(offset))
                }
            }
        }
        return (ContinuousClock.now - start) / .seconds(1)
    }
}
