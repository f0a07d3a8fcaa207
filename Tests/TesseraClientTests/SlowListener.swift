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
            let client = socket(AF_UNIX, Self.nonblockingStream, 0)
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

    /// Waits for the next one and answers it with a line. It holds no thread up: one that waited in `accept` for a client
    /// that gave up would be missing for all other tests, and for good.
    func answerNext() async throws {
        var peer: CInt = -1
        try await until {
            peer = accept(descriptor, nil, nil)
            return peer >= 0
        }
        defer { Glibc.close(peer) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        _ = read(peer, &bytes, bytes.count)
        let answer = Array("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n".utf8)
        _ = write(peer, answer, answer.count)
    }

    func close() {
        for descriptor in waiting + [descriptor] { Glibc.close(descriptor) }
    }

    private static let nonblockingStream = CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue)

    private static func bound(_ path: String) throws -> CInt {
        let descriptor = socket(AF_UNIX, nonblockingStream, 0)
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
