// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// The right to use a store, held by one opener at a time, with a note of who that is.
///
/// The note's file is locked with `flock`, so a killed process holds nothing, however it ended.
final class StoreLock: Sendable {
    private let file: Int32

    /// Takes the lock, or says at once who has it. (What it throws once the file is open, `deinit` closes after.)
    init(_ directory: StoreDirectory) throws(TesseraError) {
        file = open(directory.holder, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw directory.failure("lock") }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            throw errno == EWOULDBLOCK ? Self.held(directory) : directory.failure("lock")
        }
        let process = ProcessInfo.processInfo
        let since = Date().formatted(.iso8601)
        let note = Array("\(process.processName), process \(process.processIdentifier), since \(since)\n".utf8)
        guard ftruncate(file, 0) == 0, pwrite(file, note, note.count, 0) == note.count else {
            throw directory.failure("lock")
        }
    }

    deinit {
        // A process that is being started has a copy of the descriptor for a moment, and would hold the lock for as long.
        flock(file, LOCK_UN)
        close(file)
    }

    /// Adds to the note: how to reach its holder, for those who find the store in use.
    func advertise(_ text: String) {
        let line = Array(", \(text)".utf8)
        let end = lseek(file, 0, SEEK_END)
        // Without the line feed that ends what is there.
        pwrite(file, line, line.count, max(0, end - 1))
    }

    private static func held(_ directory: StoreDirectory) -> TesseraError {
        let note = (try? String(contentsOfFile: directory.holder, encoding: .utf8)) ?? ""
        let holder = note.trimmingCharacters(in: .whitespacesAndNewlines)
        return TesseraError(
            .locked,
            "the store \(directory.path) is in use by \(holder.isEmpty ? "another process" : holder); end it first, "
                + "or use another store")
    }
}
