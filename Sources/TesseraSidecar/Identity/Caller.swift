// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Tessera

/// Whom a request belongs to, with what he may use.
struct Caller: Sendable {
    /// The tenant.
    let tenant: Tenant
    /// Who is at the other end.
    let peer: Peer
    /// The tenant's cache.
    let cache: ContextCache

    /// The user that may read the files of leases; nil for our own.
    var leaseUser: UInt32? {
        if let user = tenant.leaseUser { return user }
        if case .user(let uid) = peer { return UInt32(uid) }
        return nil
    }

    /// Refuses those who are no administrators.
    func requireAdministrator() throws(APIFailure) {
        guard tenant.isAdministrator else {
            throw APIFailure(.forbidden, "this is for administrators of the server alone", code: "invalidInput")
        }
    }
}
