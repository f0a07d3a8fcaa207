// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// A connection to a server on a Unix socket that blocks its thread: what it takes is next to nothing, so that a bench
/// measures the server and not its client.
final class RawConnection {
    private let socket: CInt
    private var pending: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)

    /// Connects.
    init(_ path: String) throws(TesseraError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw TesseraError(.invalidInput, "the path \(path) is too long for a socket")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        socket = Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        let connected = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard connected == 0 else {
            close(socket)
            throw TesseraError(.io, "couldn't connect to \(path): \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(socket) }

    /// A request as it goes over the wire.
    static func request(_ method: String, _ path: String, _ body: String = "") -> [UInt8] {
        Array(
            """
            \(method) \(path) HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
            Content-Length: \(body.utf8.count)\r\n\r\n\(body)
            """.utf8)
    }

    /// Sends a request and takes its answer, which has a length.
    func exchange(_ request: [UInt8]) throws(TesseraError) -> (status: Int, body: [UInt8]) {
        try send(request)
        while true {
            if let answer = takeAnswer() { return answer }
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { throw TesseraError(.io, "the server hung up") }
            pending += buffer[..<count]
        }
    }

    private func send(_ bytes: [UInt8]) throws(TesseraError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                Glibc.send(socket, raw.baseAddress.map { $0 + done }, bytes.count - done, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw TesseraError(.io, "the server hung up") }
            done += count
        }
    }

    /// The answer at the front of what has come; nil where it isn't whole yet.
    private func takeAnswer() -> (status: Int, body: [UInt8])? {
        guard let end = pending.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let head = String(decoding: pending[..<end.lowerBound], as: UTF8.self).lowercased()
        let status = head.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        let length =
            head.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
            .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) } ?? 0
        guard pending.count >= end.upperBound + length else { return nil }
        let body = Array(pending[end.upperBound..<end.upperBound + length])
        pending.removeFirst(end.upperBound + length)
        return (status, body)
    }
}
