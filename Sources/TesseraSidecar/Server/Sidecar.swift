// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import ServiceLifecycle
package import Tessera
internal import TesseraKV
internal import TesseraStore
internal import Tracing
package import UnixSignals

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// The sidecar: a cache that other processes use over a socket.
///
/// ```swift
/// let sidecar = try Sidecar(configuration)
/// try await sidecar.run()
/// ```
package final class Sidecar: Sendable {
    private let state: SidecarState
    private let sockets: [ListeningSocket]
    private let log: Logger
    private let endings: AsyncStream<Void>
    private let ending: AsyncStream<Void>.Continuation

    /// Opens model and store, and listens; connections are answered once ``run(until:)`` is called.
    ///
    /// - Throws: ``TesseraError``: `locked` for a store or a socket that another process has, `invalidInput` for settings
    ///   that can't be, and what ``ContextCache`` throws for model and store.
    package init(_ configuration: SidecarConfiguration) throws(TesseraError) {
        log = configuration.logger
        (endings, ending) = AsyncStream.makeStream()
        let tenancy = try Tenancy(configuration.tenants, own: getuid())
        try Self.check(configuration)
        // A store that another process holds is worth knowing before a socket is touched.
        let first = try ContextCache(
            model: configuration.model, store: configuration.store, options: configuration.cache)
        let caches = try TenantCaches(first, tenants: configuration.tenants)
        let leases = try LeaseDesk(configuration.leases)
        if !leases.isInMemory {
            log.warning("leaseFolder \(configuration.leases.folder) is no tmpfs: leases are slow, and wear a disk out")
        }
        state = SidecarState(configuration, caches: caches, tenancy: tenancy, leases: leases)
        sockets = try Self.listen(configuration)
        for caveat in sockets.compactMap(\.caveat) { log.warning("\(caveat)") }
        for case .unix(let path?) in sockets.map(\.kind) {
            try first.chunkStore.advertise("which answers with --socket \(path)")
        }
    }

    /// Has spans of this process written to the configuration's span file; once, before anything runs.
    package static func traceSpans(of configuration: SidecarConfiguration) throws(TesseraError) {
        guard let file = configuration.spanFile else { return }
        InstrumentationSystem.bootstrap(try FileTracer(file))
    }

    /// The port on 127.0.0.1; nil where it does not listen there.
    package var port: Int? {
        for case .loopback(let port) in sockets.map(\.kind) { return port }
        return nil
    }

    /// Answers until the process is told to end, then brings what is under way to its end.
    ///
    /// - Parameter signals: The signals that tell it; none for a server within a program, which ends with graceful shutdown
    ///   or cancellation of the calling task.
    package func run(until signals: [UnixSignal] = [.sigterm, .sigint]) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let http = channel()
        let limit = ConnectionLimit(state.configuration.mostConnections)
        let listeners = sockets.map {
            Listener(
                socket: $0, http: http, group: group, limit: limit, slowRequests: state.slowRequests, logger: log)
        }
        // The last one is the first to end: no request comes any more before what serves them goes.
        var services: [any Service] = [
            LeaseSweeper(desk: state.leases), state.keeper, state.jobs, state.slowRequests,
        ]
        services += listeners as [any Service]
        services.append(Supervisor(state: state, places: sockets.map(\.place), log: log))
        var configuration = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: signals, logger: log)
        // Its end is the group's.
        configuration.services.append(
            .init(service: Ending(awaited: endings), successTerminationBehavior: .gracefullyShutdownGroup))
        configuration.maximumGracefulShutdownDuration = .seconds(state.configuration.shutdownSeconds)
        defer { for socket in sockets { socket.removePath() } }
        do {
            try await ServiceGroup(configuration: configuration).run()
            if let seconds = state.secondsDraining, seconds >= state.configuration.shutdownSeconds {
                log.warning("the time to end was over before all was: connections that were open have been cut")
            }
        } catch {
            await state.caches.first.close()
            throw error
        }
        await state.caches.first.close()
    }

    /// Has ``run(until:)`` bring what is under way to its end.
    package func end() {
        ending.finish()
    }

    // MARK: Steps

    private static func check(_ configuration: SidecarConfiguration) throws(TesseraError) {
        let hasToken = configuration.tenants.contains { $0.tokenFile != nil }
        guard configuration.port == nil || hasToken else {
            throw TesseraError(
                .invalidInput, "on a TCP port a token tells who asks; give a --token-file, or leave --port out")
        }
        let hasUsers = configuration.tenants.contains { !$0.users.isEmpty }
        guard configuration.socketGroup == nil || hasUsers || hasToken else {
            throw TesseraError(
                .invalidInput,
                "a group may connect to the socket, and no user of it is on a list; give the setting users")
        }
    }

    private static func listen(_ configuration: SidecarConfiguration) throws(TesseraError) -> [ListeningSocket] {
        var sockets = try ListeningSocket.activated()
        if sockets.isEmpty {
            sockets.append(
                try .unix(
                    path: configuration.socket,
                    group: try configuration.socketGroup.map { (name) throws(TesseraError) in try groupID(name) }))
        }
        guard let port = configuration.port else { return sockets }
        do throws(TesseraError) {
            sockets.append(try .loopback(port: port))
        } catch {
            for socket in sockets { socket.removePath() }
            throw error
        }
        return sockets
    }

    private static func groupID(_ name: String) throws(TesseraError) -> gid_t {
        if let number = gid_t(name) { return number }
        guard let group = getgrnam(name) else {
            throw TesseraError(.notFound, "there is no group \(name); see `getent group`")
        }
        return group.pointee.gr_gid
    }

    private func channel() -> HTTP1Channel {
        let responder = state.router().buildResponder()
        let log = log
        return HTTP1Channel(
            responder: { (request, writer: consuming ResponseWriter, channel) in
                let context = SidecarContext(source: .init(channel: channel, logger: log))
                var response: Hummingbird.Response
                do {
                    response = try await responder.respond(to: request, context: context)
                } catch let error as HTTPParserError {
                    // What is no HTTP has an answer of its own, after which nothing more is read.
                    throw error
                } catch {
                    response = APIFailure(error).response
                }
                response.headers[.server] = "tessera"
                if request.method == .head { response = response.createHeadResponse() }
                if request.headers[.connection] == "close", response.status.code >= 400 {
                    // Whoever goes on sending what nobody reads would wait for ever.
                    channel.eventLoop.scheduleTask(in: .seconds(2)) { channel.close(promise: nil) }
                }
                try await writer.write(response: response.head, body: response.body)
            },
            configuration: .init(
                additionalChannelHandlers: [RequestClockHandler()],
                idleTimeout: .seconds(300),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 64 << 10, maxHeaderFieldCount: 200)))
    }
}

/// Ends with the one who says that the server shall end.
private struct Ending: Service {
    let awaited: AsyncStream<Void>

    func run() async throws {
        for await _ in awaited.cancelOnGracefulShutdown() {}
    }
}
