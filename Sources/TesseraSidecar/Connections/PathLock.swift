// SPDX-License-Identifier: Apache-2.0

internal import CSockets
internal import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// A file of our own whose lock (`flock`) keeps other servers from what it stands for. It is there only as long as the lock
/// is held.
struct PathLock {
    private let path: String
    private let descriptor: CInt

    /// Takes it, and waits for some seconds at most.
    ///
    /// - Throws: ``TesseraError``: `locked` where another server has it, `io` where its file can't be made.
    init(_ path: String) throws(TesseraError) {
        self.path = path
        for _ in 0..<50 {
            let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard file >= 0 else {
                throw TesseraError(.io, "couldn't make \(path): \(String(cString: strerror(errno)))")
            }
            // Whoever had it before may have removed this very file since it was opened.
            if flock(file, LOCK_EX | LOCK_NB) == 0, csockets_inode_of(file) == csockets_inode(path) {
                descriptor = file
                return
            }
            close(file)
            usleep(100_000)
        }
        throw TesseraError(.locked, "another server begins at the same socket: it holds \(path)")
    }

    /// Gives it back.
    func release() {
        unlink(path)
        // A process that is being started has a copy of the descriptor for a moment, and would hold the lock for as long.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
