// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Tracing

/// A method on a path, and what answers it.
struct Route: Sendable {
    typealias Handler = @Sendable (Request, SidecarContext) async throws -> Response

    let method: HTTPRequest.Method
    /// The path, with parameters in braces.
    let path: String
    /// Whether anybody who can connect may ask for it.
    var isOpen = false
    let handler: Handler

    static func get(_ path: String, isOpen: Bool = false, _ handler: @escaping Handler) -> Route {
        Route(method: .get, path: path, isOpen: isOpen, handler: handler)
    }

    static func post(_ path: String, _ handler: @escaping Handler) -> Route {
        Route(method: .post, path: path, handler: handler)
    }

    static func delete(_ path: String, _ handler: @escaping Handler) -> Route {
        Route(method: .delete, path: path, handler: handler)
    }
}

extension SidecarState {
    /// All that the server answers.
    var routes: [Route] {
        generationRoutes + modelRoutes + planRoutes + leaseRoutes + chunkRoutes + jobRoutes + statusRoutes
    }

    /// The routes with all that goes around them.
    func router() -> Router<SidecarContext> {
        let routes = routes
        let router = Router(context: SidecarContext.self, options: [.autoGenerateHeadEndpoints])
        // It takes some time and one write into two, so it stands there only where somebody collects spans.
        if !(InstrumentationSystem.tracer is NoOpTracer) { router.add(middleware: TracingMiddleware()) }
        router.add(middleware: AccountMiddleware(metrics: metrics))
        router.add(
            middleware: CallerMiddleware(
                tenancy: tenancy, caches: caches, open: Set(routes.filter(\.isOpen).map(\.path))))
        router.add(middleware: StrangerMiddleware())
        for (path, methods) in Dictionary(grouping: routes, by: \.path) {
            for route in methods { router.on(RouterPath(path), method: route.method, use: route.handler) }
            let allowed = methods.map(\.method) + (methods.contains { $0.method == .get } ? [.head] : [])
            for method in Self.methods where !allowed.contains(method) {
                router.on(RouterPath(path), method: method) { _, _ -> Response in
                    var failure = APIFailure(
                        .methodNotAllowed, "\(path) has no \(method.rawValue)", code: "invalidInput")
                    failure.allowed = allowed
                    throw failure
                }
            }
        }
        return router
    }

    private static let methods: [HTTPRequest.Method] = [
        .get, .head, .post, .put, .patch, .delete, .options, .trace, .connect,
    ]
}

/// Says in the server's own form that a path is none.
private struct StrangerMiddleware: RouterMiddleware {
    func handle(
        _ request: Request, context: SidecarContext, next: (Request, SidecarContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as any HTTPResponseError where error.status == .notFound {
            throw APIFailure(.notFound, "this server has no such path; /openapi.json lists them", code: "notFound")
        }
    }
}
