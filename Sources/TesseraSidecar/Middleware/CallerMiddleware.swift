// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird

/// Finds out whom a request belongs to, before anything of it is read. Paths that are open need nobody.
struct CallerMiddleware: RouterMiddleware {
    let tenancy: Tenancy
    let caches: TenantCaches
    /// Paths that anybody who can connect may ask for.
    let open: Set<String>

    func handle(
        _ request: Request, context: SidecarContext, next: (Request, SidecarContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        // The route, not the path as it was written: a slash more at its end is the same route.
        if !open.contains(context.endpointPath ?? "") { context.caller = try caller(request, context) }
        return try await next(request, context)
    }

    private func caller(_ request: Request, _ context: SidecarContext) throws(APIFailure) -> Caller {
        let peer = context.connection?.peer ?? .network
        do throws(Tenancy.Refusal) {
            let tenant = try tenancy.tenant(of: peer, authorization: request.headers[.authorization])
            guard let cache = caches.cache(of: tenant) else { throw .forbidden }
            RequestAccount.current?.belongs(to: tenant.name)
            return Caller(tenant: tenant, peer: peer, cache: cache)
        } catch {
            switch error {
            case .unauthenticated:
                throw APIFailure(
                    .unauthorized, "this server wants a bearer token; give the one in its token file",
                    code: "unauthenticated")
            case .forbidden:
                throw APIFailure(
                    .forbidden,
                    "your user is on no list of this server; its administrator can add you to a tenant's users",
                    code: "forbidden")
            }
        }
    }
}
