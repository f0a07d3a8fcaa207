// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOHTTP1
internal import Synchronization
internal import Tessera
internal import TesseraAPI

/// Turns what goes wrong into answers, counts requests, and writes a line for each to the log: no prompt text is in it.
struct AccountMiddleware: RouterMiddleware {
    let metrics: SidecarMetrics

    func handle(
        _ request: Request, context: SidecarContext, next: (Request, SidecarContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        let account = RequestAccount()
        var response: Response
        do {
            response = try await RequestAccount.$current.withValue(account) { try await next(request, context) }
        } catch let error as HTTPParserError {
            throw error
        } catch {
            response = failure(of: error, context.logger).response
        }
        let (status, route) = (response.status, context.endpointPath ?? "unknown")
        let method = Self.methods.contains(request.method.rawValue) ? request.method.rawValue : "other"
        let metrics = metrics
        let finish: @Sendable () -> Void = {
            let seconds = (ContinuousClock.now - start).seconds
            // A stream can fail when its status is out: the books have what became of it.
            let status = Int((account.failure.map { failure(of: $0, context.logger).status } ?? status).code)
            metrics.count(
                route: route, method: method, status: status, seconds: seconds,
                overhead: account.engineSeconds.map { max(0, seconds - $0) })
            context.logger.info(
                "request",
                metadata: [
                    "method": "\(method)", "route": "\(route)", "status": "\(status)", "seconds": "\(seconds)",
                    "tenant": "\(account.tenant ?? "-")",
                ])
        }
        guard response.body.contentLength == nil else {
            finish()
            return response
        }
        // A stream is over when the last of it is written.
        let body = response.body
        response.body = ResponseBody { writer in
            defer { finish() }
            try await body.write(writer)
        }
        return response
    }

    private func failure(of error: any Error, _ log: Logger) -> APIFailure {
        let failure = APIFailure(error)
        if failure.status.code >= 500 {
            log.error("a request failed", metadata: ["error": "\(error)", "status": "\(failure.status.code)"])
        }
        return failure
    }

    /// Methods that are counted by their names; what clients make up is not.
    private static let methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
}

/// What a request's handler has to say of it for the books.
final class RequestAccount: Sendable {
    @TaskLocal static var current: RequestAccount?

    private struct State {
        var engineSeconds: Double?
        var tenant: String?
        var failure: (any Error)?
    }

    private let state = Mutex(State())

    /// Seconds in the engine and the queue; nil where neither was asked.
    var engineSeconds: Double? { state.withLock { $0.engineSeconds } }
    /// Whose request it is.
    var tenant: String? { state.withLock { $0.tenant } }
    /// What ended its answer before the end; nil where nothing did.
    var failure: (any Error)? { state.withLock { $0.failure } }

    /// Notes time in the engine and the queue.
    func spent(_ seconds: Double) {
        state.withLock { $0.engineSeconds = ($0.engineSeconds ?? 0) + seconds }
    }

    /// Notes that its answer could not be written to the end.
    func failed(_ error: any Error) {
        state.withLock { $0.failure = error }
    }

    /// Notes whose request it is.
    func belongs(to tenant: String) {
        state.withLock { $0.tenant = tenant }
    }
}
