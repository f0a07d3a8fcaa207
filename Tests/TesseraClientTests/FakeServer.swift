// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TesseraClient

/// A server that answers as a test tells it, byte for byte, and keeps account of what it saw.
final class FakeServer: Sendable {
    struct Request: Sendable {
        let method: String
        let target: String
        /// By their names in lower case.
        let headers: [String: String]
        let body: [UInt8]

        var line: String { "\(method) \(target)" }
    }

    struct Account: Sendable {
        var requests: [Request] = []
        var connections = 0
        /// The path of its socket; nil where it is on a TCP port.
        var path: String?
        /// Connections that the client closed while ``Answer/untilHangup()`` waited.
        var hangups = 0
    }

    typealias Answering = @Sendable (Request, Answer) async throws -> Void

    private let account = Mutex(Account())
    private let answering: Answering

    init(_ answering: @escaping Answering) {
        self.answering = answering
    }

    var requests: [Request] { account.withLock(\.requests) }
    var connections: Int { account.withLock(\.connections) }
    var hangups: Int { account.withLock(\.hangups) }
    var path: String? { account.withLock(\.path) }

    /// Runs a test with a client that reaches the server over a socket.
    func run(
        socket name: String = "socket", options: TesseraClientOptions = .init(),
        _ body: (TesseraClient) async throws -> Void
    ) async throws {
        try await withShortFolder { folder in
            let path = "\(folder)/\(name)"
            account.withLock { $0.path = path }
            let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .bind(unixDomainSocketPath: path) { $0.asyncChannel }
            try await run(channel, TesseraClient(socket: path, options: options), body)
        }
    }

    /// Runs a test with a client that reaches the server over TCP, with a token.
    func run(token: String, _ body: (TesseraClient) async throws -> Void) async throws {
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .bind(host: "127.0.0.1", port: 0) { $0.asyncChannel }
        let port = channel.channel.localAddress?.port ?? 0
        try await run(channel, TesseraClient(url: "http://127.0.0.1:\(port)/", token: token), body)
    }

    private func run(
        _ channel: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>, _ client: TesseraClient,
        _ body: (TesseraClient) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try? await self.serve(channel) }
            defer { tasks.cancelAll() }
            try await withClient(client, body)
        }
    }

    private func serve(_ channel: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>) async throws {
        try await withThrowingDiscardingTaskGroup { tasks in
            try await channel.executeThenClose { inbound in
                for try await connection in inbound {
                    account.withLock { $0.connections += 1 }
                    // A client that hangs up is what some tests are about.
                    tasks.addTask { try? await self.converse(connection) }
                }
            }
        }
    }

    private func converse(_ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async throws {
        try await connection.executeThenClose { inbound, outbound in
            let answer = Answer(outbound: outbound, channel: connection.channel) { [self] in
                account.withLock { $0.hangups += 1 }
            }
            var bytes: [UInt8] = []
            for try await piece in inbound {
                bytes += piece.readableBytesView
                while let request = Request(takenFrom: &bytes) {
                    account.withLock { $0.requests.append(request) }
                    try await answering(request, answer)
                }
            }
        }
    }
}

extension FakeServer.Request {
    /// Takes a whole request off the front; nil where there is none yet.
    fileprivate init?(takenFrom bytes: inout [UInt8]) {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        guard bytes.count >= end.upperBound + length else { return nil }
        body = Array(bytes[end.upperBound..<end.upperBound + length])
        (method, target, self.headers) = (String(words[0]), String(words[1]), headers)
        bytes.removeFirst(end.upperBound + length)
    }
}

/// What a test says to a client.
struct Answer: Sendable {
    let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    let channel: any Channel
    let onHangup: @Sendable () -> Void

    /// Writes bytes as they are.
    func raw(_ text: String) async throws {
        try await outbound.write(ByteBuffer(string: text))
    }

    /// Writes a whole answer.
    func whole(_ status: Int = 200, _ body: String = "", _ headers: String...) async throws {
        let fields = headers.map { "\($0)\r\n" }.joined()
        // These have no body, and so no length.
        let length = status == 204 ? "" : "content-length: \(body.utf8.count)\r\n"
        try await raw("HTTP/1.1 \(status) Status\r\n\(length)\(fields)\r\n\(body)")
    }

    /// Writes the head of a stream of events.
    func beginEvents() async throws {
        try await raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    }

    /// Writes a part of a stream.
    func part(_ bytes: some Collection<UInt8>) async throws {
        var buffer = ByteBuffer(string: "\(String(bytes.count, radix: 16))\r\n")
        buffer.writeBytes(bytes)
        buffer.writeString("\r\n")
        try await outbound.write(buffer)
    }

    /// Writes a part of a stream.
    func part(_ text: String) async throws {
        try await part(text.utf8)
    }

    /// Writes the end of a stream.
    func endEvents() async throws {
        try await raw("0\r\n\r\n")
    }

    /// Closes the connection.
    func close() async throws {
        try await channel.close()
    }

    /// Waits until the client closes the connection.
    func untilHangup() async throws {
        try await channel.closeFuture.get()
        onHangup()
    }
}

/// Runs a test with a client and shuts it down.
func withClient(_ client: TesseraClient, _ body: (TesseraClient) async throws -> Void) async throws {
    do {
        try await body(client)
    } catch {
        try await client.shutdown()
        throw error
    }
    try await client.shutdown()
}

/// Runs a test with a folder whose path leaves room for that of a socket.
func withShortFolder(_ body: (String) async throws -> Void) async throws {
    // The path of a socket has 107 bytes at most, and a machine's own temporary folder may take all of them.
    let folder = "/tmp/tc-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try await body(folder)
}

/// Waits until something holds; the test's time limit ends it otherwise.
func until(_ holds: () -> Bool) async throws {
    while !holds() { try await Task.sleep(for: .milliseconds(5)) }
}

extension Channel {
    fileprivate var asyncChannel: EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> {
        eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: self) }
    }
}
