// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import Foundation
internal import TesseraKV

/// Which tenant a request belongs to: decided by who connects or which token he has, never by what the request says.
struct Tenancy: Sendable {
    /// Why a request belongs to nobody.
    enum Refusal: Error, Equatable {
        /// It has no token, or one that nobody has.
        case unauthenticated
        /// Its user is not on the list.
        case forbidden
    }

    /// All tenants, the first for those of our own user that no other claims.
    let tenants: [Tenant]
    private let byUser: [UInt32: Int]
    /// Digests of tokens, so that comparing takes as long whatever is wrong with a token.
    private let tokens: [(digest: [UInt8], tenant: Int)]
    private let own: UInt32

    /// Takes tenants down and reads their tokens.
    ///
    /// - Parameters:
    ///   - tenants: At least one.
    ///   - own: Our own user.
    /// - Throws: ``TesseraError`` of code `invalidInput` for two tenants of one name, user or token and for a token file
    ///   that others can read or that holds no token, `notFound` for one that is not there.
    init(_ tenants: [Tenant], own: UInt32) throws(TesseraError) {
        self.tenants = tenants
        self.own = own
        guard Set(tenants.map(\.name)).count == tenants.count else {
            throw TesseraError(.invalidInput, "two tenants have one name")
        }
        var byUser: [UInt32: Int] = [:]
        var tokens: [(digest: [UInt8], tenant: Int)] = []
        for (index, tenant) in tenants.enumerated() {
            guard !tenant.name.isEmpty, !tenant.name.contains(where: { $0 == "," || $0.isNewline || $0 == "\0" }) else {
                throw TesseraError(.invalidInput, "a tenant's name is not empty and has no commas and ends of lines")
            }
            for user in tenant.users where byUser.updateValue(index, forKey: user) != nil {
                throw TesseraError(.invalidInput, "the user \(user) belongs to two tenants")
            }
            guard let file = tenant.tokenFile else { continue }
            let digest = Array(SHA256.hash(data: Data(try SecretFile.text(file, "token").utf8)))
            guard !tokens.contains(where: { $0.digest == digest }) else {
                throw TesseraError(.invalidInput, "two tenants have one token: \(file)")
            }
            tokens.append((digest, index))
        }
        (self.byUser, self.tokens) = (byUser, tokens)
    }

    /// The tenant of a request.
    ///
    /// - Parameters:
    ///   - peer: Who connected.
    ///   - authorization: The header of that name.
    func tenant(of peer: Peer, authorization: String?) throws(Refusal) -> Tenant {
        switch peer {
        case .user(let uid):
            if let index = byUser[UInt32(uid)] { return tenants[index] }
            // A token tells apart what one user runs for several tenants.
            if let authorization, let tenant = tenant(ofToken: authorization) { return tenant }
            guard UInt32(uid) == own || uid == 0 else { throw .forbidden }
            return tenants[0]
        case .network:
            guard let authorization, let tenant = tenant(ofToken: authorization) else { throw .unauthenticated }
            return tenant
        }
    }

    private func tenant(ofToken authorization: String) -> Tenant? {
        // RFC 9110, section 11.4: one space or more between the scheme and its token.
        let parts = authorization.split(separator: " ")
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let digest = Array(SHA256.hash(data: Data(parts[1].utf8)))
        var found: Int?
        for token in tokens {
            var difference: UInt8 = 0
            for (mine, theirs) in zip(digest, token.digest) { difference |= mine ^ theirs }
            if difference == 0 { found = token.tenant }
        }
        return found.map { tenants[$0] }
    }
}
