// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A Unix socket that accepts nothing unless it is told to.
struct SlowListener {
    private let descriptor: CInt
    /// Connections that fill its queue.
    private var waiting: [CInt] = []

    /// Binds a socket, and fills its queue up.
    init(path: String) throws {
        descriptor = try Self.bound(path)
        guard listen(descriptor, 0) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        var address = Self.address(path)
        while waiting.count < 100 {
            let client = socket(AF_UNIX, Self.stream | CInt(SOCK_NONBLOCK.rawValue), 0)
            waiting.append(client)
            guard Self.call(connect, client, &address) != 0 else { continue }
            return
        }
    }

    /// Leaves a socket behind that nobody listens on.
    static func leaveDead(_ path: String) throws {
        Glibc.close(try bound(path))
    }

    /// Lets those in that fill the queue. The last one of them did not get into it.
    func acceptAll() {
        for _ in waiting.dropLast() { Glibc.close(accept(descriptor, nil, nil)) }
    }

    /// Answers the next one with a line.
    func answerNext() {
        let peer = accept(descriptor, nil, nil)
        var bytes = [UInt8](repeating: 0, count: 4096)
        _ = read(peer, &bytes, bytes.count)
        let answer = Array("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n".utf8)
        _ = write(peer, answer, answer.count)
        Glibc.close(peer)
    }

    func close() {
        for descriptor in waiting + [descriptor] { Glibc.close(descriptor) }
    }

    private static let stream = CInt(SOCK_STREAM.rawValue)

    private static func bound(_ path: String) throws -> CInt {
        let descriptor = socket(AF_UNIX, stream, 0)
        var address = address(path)
        guard descriptor >= 0, call(bind, descriptor, &address) == 0 else {
            throw POSIXError(.init(rawValue: errno) ?? .EIO)
        }
        return descriptor
    }

    private static func address(_ path: String) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return address
    }

    private static func call(
        _ function: (CInt, UnsafePointer<sockaddr>?, socklen_t) -> CInt, _ descriptor: CInt,
        _ address: inout sockaddr_un
    ) -> CInt {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                function(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
