// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import NIOCore

/// What is known of a request beside itself.
struct SidecarContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The connection that it came on; nil in tests without one.
    let connection: Connection?
    /// Its channel.
    let channel: any Channel
    /// Whom it belongs to; nil before that is found out.
    var caller: Caller?

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        connection = Connection.current
        channel = source.channel
    }

    /// Whom the request belongs to.
    ///
    /// - Throws: ``APIFailure`` of status 401 on a path that is open to all, where nobody asked.
    func requireCaller() throws -> Caller {
        guard let caller else {
            throw APIFailure(.unauthorized, "this request belongs to nobody", code: "invalidInput")
        }
        return caller
    }

    /// Runs work that is cancelled when the client hangs up.
    func whileHeard<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        guard let connection else { return try await body() }
        return try await connection.whileHeard(body)
    }
}
