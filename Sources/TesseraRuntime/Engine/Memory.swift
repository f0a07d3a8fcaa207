// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// Page-aligned memory outside of Swift's heap, zero at first, in huge pages where the kernel has them.
final class Memory {
    let start: UnsafeMutableRawPointer
    let byteCount: Int

    init(byteCount: Int, for purpose: String) throws(TesseraError) {
        let count = max(byteCount, 1)
        guard let map = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            map != MAP_FAILED
        else {
            throw TesseraError(.full, "no memory for \(purpose) (\(count >> 20) MiB); free some or use a smaller model")
        }
        if count >= 4 << 20 { madvise(map, count, MADV_HUGEPAGE) }
        start = map
        self.byteCount = count
    }

    deinit {
        munmap(start, byteCount)
    }
}

/// Scratch that grows to the largest size asked for and is used again from call to call.
///
/// What it held is lost when it grows.
final class Scratch {
    private let purpose: String
    private var memory: Memory?

    init(_ purpose: String) {
        self.purpose = purpose
    }

    func reserve<T>(_ count: Int, of type: T.Type) throws(TesseraError) -> UnsafeMutablePointer<T> {
        let bytes = count * MemoryLayout<T>.stride
        if let memory, memory.byteCount >= bytes { return memory.start.assumingMemoryBound(to: type) }
        memory = nil
        let grown = try Memory(byteCount: bytes, for: purpose)
        memory = grown
        return grown.start.assumingMemoryBound(to: type)
    }
}
