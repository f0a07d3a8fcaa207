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
    /// The folder for a store's leases where none is named: in shared memory, by user and store.
    static func defaultFolder(store: String) -> String {
        let path = URL(fileURLWithPath: store).standardizedFileURL.path
        return "/dev/shm/tessera-\(getuid())-\(Digest256(of: Array(path.utf8)).description.prefix(8))"
    }
}

/// The folder that the files of leases lie in. Others may go through it and not list it; each file is readable by its
/// lease's user alone.
struct LeaseFolder: Sendable {
    /// Its path.
    let path: String

    /// Makes the folder where there is none, and removes what a process that was killed left in it: whoever opens it holds
    /// the store's lock, so no other is at work in it.
    ///
    /// - Throws: ``TesseraError``: `io` where it can't be made, `invalidInput` where it is somebody else's.
    init(_ path: String) throws(TesseraError) {
        self.path = path
        if mkdir(path, 0o711) != 0 {
            guard errno == EEXIST else { throw Self.failure("make the folder for leases \(path)") }
            guard cf_is_own_folder(path) == 1 else {
                throw TesseraError(.invalidInput, "\(path) is no folder of ours; name another leaseFolder")
            }
        }
        // Whatever the umask says.
        guard chmod(path, 0o711) == 0 else { throw Self.failure("set the mode of \(path)") }
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        where name.hasSuffix(Self.ending) {
            unlink("\(path)/\(name)")
        }
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

    /// Removes the folder at the end.
    func removeIfEmpty() {
        rmdir(path)
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
