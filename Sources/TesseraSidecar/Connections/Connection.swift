// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import Synchronization

/// A connection to a client, for as long as it lasts: who is at the other end, and whether he is still there.
final class Connection: Sendable {
    private struct State {
        var isGone = false
        var nextID = 0
        var watchers: [Int: @Sendable () -> Void] = [:]
    }

    /// The connection whose request the current task answers; nil outside of a request.
    @TaskLocal static var current: Connection?

    /// Who is at the other end.
    let peer: Peer
    private let state = Mutex(State())

    init(_ peer: Peer) {
        self.peer = peer
    }

    /// Whether the client has hung up.
    var isGone: Bool { state.withLock { $0.isGone } }

    /// Runs work that is cancelled when the client hangs up.
    func whileHeard<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        let task = Task { try await body() }
        let id = watch { task.cancel() }
        defer { unwatch(id) }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// Calls a function when the client hangs up, or now if he has.
    ///
    /// - Returns: A number to stop watching with.
    @discardableResult
    func watch(_ onHangup: @escaping @Sendable () -> Void) -> Int {
        let (id, isGone) = state.withLock { state in
            state.nextID += 1
            if !state.isGone { state.watchers[state.nextID] = onHangup }
            return (state.nextID, state.isGone)
        }
        if isGone { onHangup() }
        return id
    }

    /// Stops watching.
    func unwatch(_ id: Int) {
        state.withLock { _ = $0.watchers.removeValue(forKey: id) }
    }

    /// Says that the client has hung up.
    func hangUp() {
        let watchers = state.withLock { state in
            defer { state.watchers = [:] }
            state.isGone = true
            return state.watchers.values.map { $0 }
        }
        for watcher in watchers { watcher() }
    }
}

/// Notices when a client closes his side of a connection, be it for good or for sending only: whoever does not send any more
/// does not wait for an answer, as with other servers.
final class HangupHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    private let connection: Connection

    init(_ connection: Connection) {
        self.connection = connection
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { connection.hangUp() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        connection.hangUp()
        context.fireChannelInactive()
    }
}
