// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOExtras
internal import NIOPosix
internal import ServiceLifecycle
internal import Synchronization

/// Accepts connections on one socket and answers the requests on them.
///
/// Hummingbird's own server binds its sockets itself, with the umask's permissions and without systemd's; this one takes a
/// socket that listens already, and knows of each connection who is at the other end. Everything it starts ends with it: on
/// graceful shutdown no connection is accepted any more, idle ones are closed, and requests under way are answered.
struct Listener: Service {
    let socket: ListeningSocket
    let http: HTTP1Channel
    let group: any EventLoopGroup
    let limit: ConnectionLimit
    let slowRequests: SlowRequests
    let logger: Logger

    private typealias Accepted = (channel: HTTP1Channel.Value, connection: Connection)

    func run() async throws {
        let quiescing = ServerQuiescingHelper(group: group)
        let server = try await bind(quiescing)
        try await withGracefulShutdownHandler {
            try await withThrowingDiscardingTaskGroup { tasks in
                try await server.executeThenClose { inbound in
                    for try await accepted in inbound {
                        tasks.addTask {
                            defer { limit.leave() }
                            guard limit.enter() else {
                                // Whoever comes when it is full is not kept waiting.
                                try? await accepted.channel.executeThenClose { _, _ in }
                                return
                            }
                            await Connection.$current.withValue(accepted.connection) {
                                await http.handle(value: accepted.channel, logger: logger)
                            }
                        }
                    }
                }
            }
        } onGracefulShutdown: {
            socket.removePath()
            quiescing.initiateShutdown(promise: nil)
        }
    }

    private func bind(_ quiescing: ServerQuiescingHelper) async throws -> NIOAsyncChannel<Accepted, Never> {
        try await ServerBootstrap(group: group)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        quiescing.makeServerChannelHandler(channel: channel))
                }
            }
            .childChannelOption(ChannelOptions.allowRemoteHalfClosure, value: true)
            .bind(socket.descriptor) { channel in
                do {
                    let connection = Connection(try peer(of: channel))
                    try channel.pipeline.syncOperations.addHandlers(
                        HangupHandler(connection), FirstByteHandler(slowRequests))
                    return http.setup(channel: channel, logger: logger).map { ($0, connection) }
                } catch {
                    return channel.eventLoop.makeFailedFuture(error)
                }
            }
    }

    private func peer(of channel: any Channel) throws -> Peer {
        switch socket.kind {
        case .unix: try Peer.ofUnixSocket(channel)
        case .loopback: .network
        }
    }
}

/// How many connections may be open at once, on all sockets together.
final class ConnectionLimit: Sendable {
    private let most: Int
    private let open = Atomic(0)

    init(_ most: Int) {
        self.most = most
    }

    /// Counts a connection; whether there is room for it.
    func enter() -> Bool { open.add(1, ordering: .relaxed).newValue <= most }

    /// Counts it no more.
    func leave() { open.subtract(1, ordering: .relaxed) }
}
