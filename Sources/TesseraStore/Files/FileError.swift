// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// The error of a system call that has just failed on a file or a folder.
///
/// - Parameters:
///   - doing: What failed, as the end of "couldn't …".
///   - path: What it failed on.
func fileError(_ doing: String, _ path: String, code: Int32 = errno) -> TesseraError {
    let what = "couldn't \(doing) \(path): \(String(cString: strerror(code)))"
    return switch code {
    case ENOSPC, EDQUOT: TesseraError(.full, "\(what). Free some disk space or choose another folder.")
    case EACCES, EPERM: TesseraError(.io, "\(what). A store needs a folder that this user may write to.")
    case EROFS: TesseraError(.io, "\(what). A store needs a file system that can be written to.")
    case EMFILE, ENFILE: TesseraError(.io, "\(what). Raise the limit of open files (ulimit -n).")
    default: TesseraError(.io, what)
    }
}

/// Repeats a system call for as long as a signal cuts it short.
func uninterrupted<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}

/// Brings a folder's own entries to disk: names of new files and of those that went.
func syncFolder(_ path: String) throws(TesseraError) {
    let file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard file >= 0 else { throw fileError("open", path) }
    defer { close(file) }
    guard uninterrupted({ fsync(file) }) == 0 else { throw fileError("sync", path) }
}
