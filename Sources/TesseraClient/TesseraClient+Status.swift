// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import TesseraAPI

extension TesseraClient {
    /// What the namespace holds, and for administrators how the server does.
    public func statistics() async throws(TesseraClientError) -> Statistics {
        try await transport.value(.get("v1", "stats"))
    }

    /// A digest of all records of the namespace.
    public func digest() async throws(TesseraClientError) -> ContentDigest {
        try await transport.value(.get("v1", "digest"))
    }

    /// The server's metrics in Prometheus' text format, for administrators.
    public func metrics() async throws(TesseraClientError) -> String {
        try await transport.text(.get("metrics", wanted: .anything))
    }

    /// Whether the server takes requests. It does not where nobody listens, and while it ends.
    public func isReady() async throws(TesseraClientError) -> Bool {
        try await answers(.get("readyz", wanted: .anything))
    }

    /// Whether there is a server, be it one that is about to end.
    public func isAlive() async throws(TesseraClientError) -> Bool {
        try await answers(.get("healthz", wanted: .anything))
    }

    /// The server's description of itself: an OpenAPI document in JSON.
    public func openAPIDocument() async throws(TesseraClientError) -> Data {
        try await transport.bytes(.get("openapi.json"))
    }

    private func answers(_ request: APIRequest) async throws(TesseraClientError) -> Bool {
        do throws(TesseraClientError) {
            try await transport.bytes(request)
            return true
        } catch {
            guard error.kind == .unreachable || error.kind == .refused(status: 503) else { throw error }
            return false
        }
    }
}
