// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import Foundation

/// A tenant: a scope of chunks, with those who may use it.
package struct Tenant: Sendable, Equatable {
    /// What it is called in the configuration.
    package var name: String
    /// Mixed into the namespace, so that knowing a tenant's name is not knowing its keys; nil for none.
    package var salt: String?
    /// The users whose processes belong to it, on a Unix socket.
    package var users: [UInt32]
    /// The file that holds its bearer token; nil where it has none.
    package var tokenFile: String?
    /// The user that may read the files of its leases; nil for the one who connects, or our own over TCP.
    package var leaseUser: UInt32?
    /// The most bytes that its records may take; nil for no limit but the store's.
    package var quota: Int?
    /// Whether it may look at metrics and at what concerns the whole server.
    package var isAdministrator: Bool

    /// Makes a tenant of all its parts.
    package init(
        name: String, salt: String? = nil, users: [UInt32] = [], tokenFile: String? = nil, leaseUser: UInt32? = nil,
        quota: Int? = nil, isAdministrator: Bool = false
    ) {
        self.name = name
        self.salt = salt
        self.users = users
        self.tokenFile = tokenFile
        self.leaseUser = leaseUser
        self.quota = quota
        self.isAdministrator = isAdministrator
    }

    /// The scope of its chunks' keys: its name, and 16 digits of a digest of name and salt where there is one.
    package var namespace: String {
        guard let salt else { return name }
        let digest = SHA256.hash(data: Data("tessera tenant\0\(salt)\0\(name)".utf8))
        return "\(name)~\(digest.prefix(8).map { String(format: "%02x", $0) }.joined())"
    }
}
