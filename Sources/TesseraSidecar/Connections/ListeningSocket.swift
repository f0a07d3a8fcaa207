// SPDX-License-Identifier: Apache-2.0

internal import CSockets
internal import CSystemd
internal import Foundation
internal import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// A socket that clients connect to, made and bound here so that nobody can connect before its permissions are right.
struct ListeningSocket: Sendable {
    /// What kind of socket it is.
    enum Kind: Sendable, Equatable {
        /// A Unix socket; the path to remove at the end, nil where another made it.
        case unix(path: String?)
        /// A TCP socket on the loopback network.
        case loopback(port: Int)
    }

    /// Its descriptor, already listening. Whoever takes it over closes it.
    let descriptor: CInt
    /// What kind of socket it is.
    let kind: Kind
    /// The inode of its path, by which it is known again; 0 where it has none.
    var inode: UInt64 = 0
    /// What its users should know before they trust it; nil for nothing.
    var caveat: String?

    private static let backlog: CInt = 512

    /// Where it is, for people.
    var place: String {
        switch kind {
        case .unix(let path): path ?? "a socket of systemd's"
        case .loopback(let port): "http://127.0.0.1:\(port)"
        }
    }
}

extension ListeningSocket {
    /// Makes a Unix socket.
    ///
    /// Its folder is made where there is none, with mode 0700, or 0750 with a group. A socket that a process of ours left
    /// behind is removed; anything else that stands at the path is left alone.
    ///
    /// - Parameters:
    ///   - path: Where clients find it.
    ///   - group: The group whose members may connect (mode 0660); nil for our own user alone (0600).
    /// - Throws: ``TesseraError``: `invalidInput` for a path that is too long, `locked` where a process listens there,
    ///   `io` where it can't be made.
    static func unix(path: String, group: gid_t?) throws(TesseraError) -> ListeningSocket {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard !path.isEmpty, path.utf8.count < capacity, !path.utf8.contains(0) else {
            throw TesseraError(
                .invalidInput, "the socket's path has to be 1 to \(capacity - 1) bytes long: \(path)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        try prepare(folder, group: group)
        // Between `bind` and `listen` a socket looks like one that nobody listens at: two servers must not begin at once.
        let lock = try PathLock(path + ".lock")
        defer { lock.release() }
        try removeStale(path, address)
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("make a socket") }
        do throws(TesseraError) {
            guard bind(descriptor, address) == 0 else { throw failure("bind the socket \(path)") }
            // Nobody can connect before `listen`.
            guard chmod(path, group == nil ? 0o600 : 0o660) == 0 else { throw failure("set the mode of \(path)") }
            if let group, chown(path, uid_t.max, group) != 0 {
                throw failure("give \(path) to the group \(group); the server has to be one of it")
            }
            guard listen(descriptor, backlog) == 0 else { throw failure("listen on \(path)") }
        } catch {
            close(descriptor)
            throw error
        }
        var made = ListeningSocket(
            descriptor: descriptor, kind: .unix(path: path), inode: csockets_inode(path))
        if csockets_is_open_folder(folder) == 1 {
            made.caveat =
                "others may put a socket of theirs in the place of \(path): take the right to write in \(folder) away "
                + "from them, or let them have it read-only as in the Kubernetes example"
        }
        return made
    }

    /// Makes a TCP socket on 127.0.0.1.
    ///
    /// - Parameter port: The port; 0 takes a free one.
    static func loopback(port: Int) throws(TesseraError) -> ListeningSocket {
        guard (0...65_535).contains(port) else {
            throw TesseraError(.invalidInput, "a port is between 0 and 65535, not \(port)")
        }
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("make a socket") }
        var yes: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        guard bind(descriptor, address) == 0, listen(descriptor, backlog) == 0 else {
            let error = failure("listen on 127.0.0.1:\(port)")
            close(descriptor)
            throw error
        }
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        return ListeningSocket(
            descriptor: descriptor, kind: .loopback(port: Int(UInt16(bigEndian: address.sin_port))))
    }

    /// The sockets that systemd holds for us (`sd_listen_fds(3)`); none where it does not.
    static func activated() throws(TesseraError) -> [ListeningSocket] {
        let count = sd_listen_fds(1)
        guard count >= 0 else { throw TesseraError(.io, "couldn't take over systemd's sockets: error \(-count)") }
        return try (0..<count).map { (index) throws(TesseraError) in
            let descriptor = SD_LISTEN_FDS_START + index
            if sd_is_socket_unix(descriptor, CInt(SOCK_STREAM.rawValue), 1, nil, 0) > 0 {
                return ListeningSocket(descriptor: descriptor, kind: .unix(path: nil))
            }
            throw TesseraError(
                .unsupported,
                "socket \(index) of systemd's is no listening Unix stream socket; use ListenStream= with a path")
        }
    }

    /// Removes a Unix socket of ours from its folder, so that nobody finds it any more.
    func removePath() {
        // Another server may have taken the path meanwhile.
        if case .unix(let path?) = kind, csockets_inode(path) == inode { unlink(path) }
    }

    // MARK: Steps

    private static func prepare(_ folder: String, group: gid_t?) throws(TesseraError) {
        guard mkdir(folder, group == nil ? 0o700 : 0o750) != 0 else {
            // Whatever the umask says.
            guard chmod(folder, group == nil ? 0o700 : 0o750) == 0 else { throw failure("set the mode of \(folder)") }
            if let group, chown(folder, uid_t.max, group) != 0 { throw failure("give \(folder) to the group \(group)") }
            return
        }
        guard errno == EEXIST else { throw failure("make the socket's folder \(folder)") }
    }

    /// Removes a socket at which nobody listens any more.
    private static func removeStale(_ path: String, _ address: sockaddr_un) throws(TesseraError) {
        let isOurs = csockets_is_own_socket(path)
        guard isOurs >= 0 else { return }
        guard isOurs == 1 else {
            throw TesseraError(
                .invalidInput, "\(path) is there already and is no socket of ours; remove it or name another --socket")
        }
        let probe = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        defer { if probe >= 0 { close(probe) } }
        guard probe >= 0, connect(probe, address) != 0, errno == ECONNREFUSED else {
            throw TesseraError(
                .locked, "another process listens on \(path); stop it or name another --socket")
        }
        guard unlink(path) == 0 || errno == ENOENT else { throw failure("remove the stale socket \(path)") }
    }

    private static func failure(_ what: String) -> TesseraError {
        TesseraError(.io, "couldn't \(what): \(String(cString: strerror(errno)))")
    }
}

private func bind<Address>(_ descriptor: CInt, _ address: Address) -> CInt {
    withUnsafePointer(to: address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
        }
    }
}

private func connect<Address>(_ descriptor: CInt, _ address: Address) -> CInt {
    withUnsafePointer(to: address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
        }
    }
}
