// SPDX-License-Identifier: Apache-2.0

internal import CACL
internal import CFiles
internal import Foundation
internal import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

extension LeaseOptions {
    /// What the folders begin with that nobody named.
    static let sharedMemory = "/dev/shm/tessera-"

    /// The folder for a store's leases where none is named: in shared memory, by user and store.
    static func defaultFolder(store: String) -> String {
        // By its real path: a store has one folder, whatever way leads to it.
        let path = URL(fileURLWithPath: store).resolvingSymlinksInPath().standardizedFileURL.path
        return "\(sharedMemory)\(getuid())-\(Digest256(of: Array(path.utf8)).description.prefix(8))"
    }
}

/// The folder that the files of leases lie in. Others may go through it and not list it; each file is readable by its
/// lease's user alone.
final class LeaseFolder: Sendable {
    /// Its path.
    let path: String
    /// Holds the folder for us, as long as we live.
    private let lock: CInt
    private let isOurs: Bool

    /// Makes the folder where there is none, and removes what a process that was killed left in it.
    ///
    /// - Throws: ``TesseraError``: `io` where it can't be made, `invalidInput` where it is somebody else's, `locked` where
    ///   another server has its leases in it.
    init(_ path: String) throws(TesseraError) {
        self.path = path
        let isNew = mkdir(path, 0o711) == 0
        guard isNew || errno == EEXIST else { throw Self.failure("make the folder for leases \(path)") }
        guard cf_is_own_folder(path) == 1 else {
            throw TesseraError(.invalidInput, "\(path) is no folder of ours; name another leaseFolder")
        }
        isOurs = isNew || path.hasPrefix(LeaseOptions.sharedMemory)
        // Whatever the umask says.
        if isOurs, chmod(path, 0o711) != 0 { throw Self.failure("set the mode of \(path)") }
        lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard lock >= 0 else { throw Self.failure("open the folder for leases \(path)") }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw TesseraError(.locked, "another server has its leases in \(path); name another leaseFolder")
        }
        removeFiles()
    }

    deinit {
        // A process that is being started has a copy of the descriptor for a moment, and would hold the lock for as long.
        flock(lock, LOCK_UN)
        close(lock)
    }

    /// Removes the files of leases, those that nobody knows of any more included.
    private func removeFiles() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] where Self.isOurs(name) {
            unlink("\(path)/\(name)")
        }
    }

    /// Whether a file's name is one of ours: 32 hexadecimal digits, `spare-` perhaps in front.
    private static func isOurs(_ name: String) -> Bool {
        guard name.hasSuffix(ending) else { return false }
        let id = name.dropLast(ending.count)
        let digits = id.hasPrefix("spare-") ? id.dropFirst(6) : id
        return digits.count == 32 && digits.allSatisfy { $0.isASCII && $0.isHexDigit }
    }

    /// Removes all that is ours at the end.
    func leave() {
        removeFiles()
        if isOurs { rmdir(path) }
    }

    static let ending = ".safetensors"

    /// Whether the folder lies in memory, as it should: a lease on a disk is slow, and its pages are written out.
    var isInMemory: Bool { cf_is_in_memory(path) == 1 }

    /// The file of a lease.
    func file(_ id: String) -> String { "\(path)/\(id)\(Self.ending)" }

    /// Makes the file of a lease, open for writing.
    ///
    /// - Parameter reader: The user that may read it; nil for our own alone.
    func create(_ id: String, reader: UInt32?) throws(TesseraError) -> CInt {
        let descriptor = open(file(id), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Self.failure("make the file of a lease in \(path)") }
        return try opened(descriptor, id, reader: reader)
    }

    /// Lets a reader in.
    func opened(_ descriptor: CInt, _ id: String, reader: UInt32?) throws(TesseraError) -> CInt {
        do throws(TesseraError) {
            if let reader, reader != getuid() { try allow(reader, to: descriptor) }
        } catch {
            close(descriptor)
            remove(id)
            throw error
        }
        return descriptor
    }

    /// Removes the file of a lease. Those who have mapped it keep what they see.
    func remove(_ id: String) {
        unlink(file(id))
    }

    private func allow(_ reader: UInt32, to file: CInt) throws(TesseraError) {
        let text = "u::rw-,u:\(reader):r--,g::---,m::r--,o::---"
        guard let list = acl_from_text(text) else { throw Self.failure("write down who may read a lease") }
        defer { acl_free(UnsafeMutableRawPointer(list)) }
        guard acl_set_fd(file, list) == 0 else {
            throw Self.failure(
                "let the user \(reader) read a lease; the file system of leaseFolder has to know access lists, as tmpfs does"
            )
        }
    }

    static func failure(_ what: String) -> TesseraError {
        TesseraError(errno == ENOSPC ? .full : .io, "couldn't \(what): \(String(cString: strerror(errno)))")
    }
}
