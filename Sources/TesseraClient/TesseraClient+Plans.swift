// SPDX-License-Identifier: Apache-2.0

public import TesseraAPI

extension TesseraClient {
    /// Says what to do with a prompt that a runtime elsewhere computes.
    public func plan(_ request: PlanRequest) async throws(TesseraClientError) -> Plan {
        try await transport.value(.post("v1", "plan", json: request))
    }

    /// Puts a prompt's stored KV into a file in shared memory, which is held until the lease ends.
    public func stitch(_ request: StitchRequest) async throws(TesseraClientError) -> Lease {
        try await transport.value(.post("v1", "stitch", json: request))
    }

    /// The leases that have not ended.
    public func leases() async throws(TesseraClientError) -> [Lease] {
        try await transport.value(.get("v1", "leases"), as: ListOf<Lease>.self).data
    }

    /// Puts off the end of a lease.
    ///
    /// - Parameters:
    ///   - id: The lease's id.
    ///   - seconds: How long it lasts from now; nil for as long as the server thinks usual.
    @discardableResult
    public func renew(lease id: String, seconds: Double? = nil) async throws(TesseraClientError) -> Lease {
        try await transport.value(.post("v1", "leases", id, "renew", json: RenewRequest(seconds: seconds)))
    }

    /// Ends a lease. Its file's name goes at once, its memory once nobody has it mapped any more.
    public func release(lease id: String) async throws(TesseraClientError) {
        try await transport.bytes(.delete("v1", "leases", id))
    }
}
