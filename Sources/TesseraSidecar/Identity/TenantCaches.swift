// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Tessera
internal import TesseraKV

/// The caches of all tenants, on one model and one store: one for what the built-in engine makes, and one for each runtime
/// whose KV a tenant has brought.
final class TenantCaches: Sendable {
    private struct Name: Hashable {
        var namespace: String
        var producer: String?
    }

    /// The first tenant's, which all others stand beside.
    let first: ContextCache
    private let caches: Mutex<[Name: ContextCache]>

    /// Runtimes whose caches are at hand, for each tenant.
    private static let mostProducers = 16
    private static let longestProducer = 64

    /// - Parameters:
    ///   - first: The cache of the first tenant.
    ///   - tenants: All of them.
    init(_ first: ContextCache, tenants: [Tenant]) throws(TesseraError) {
        self.first = first
        var caches = [Name(namespace: first.namespace, producer: nil): first]
        for tenant in tenants where tenant.namespace != first.namespace {
            caches[Name(namespace: tenant.namespace, producer: nil)] = try ContextCache(
                beside: first, namespace: tenant.namespace)
        }
        self.caches = Mutex(caches)
    }

    /// The cache of a tenant.
    func cache(of tenant: Tenant) -> ContextCache? {
        caches.withLock { $0[Name(namespace: tenant.namespace, producer: nil)] }
    }

    /// The cache of what a runtime elsewhere made for a tenant.
    ///
    /// - Throws: ``TesseraError``: `notFound` for a runtime that nothing is kept of, `invalidInput` for a name that is none.
    func cache(of tenant: Tenant, producer: String) throws(TesseraError) -> ContextCache {
        if let known = known(tenant, producer) { return known }
        try Self.check(producer)
        guard try first.keepsImports(of: producer, namespace: tenant.namespace) else {
            throw TesseraError(.notFound, "nothing is kept here of a producer \(producer)")
        }
        let cache = try ContextCache(beside: first, namespace: tenant.namespace, producer: producer)
        remember(cache, of: tenant, producer)
        return cache
    }

    /// Runs work with the cache of a runtime that something may be kept of for the first time. A name counts once something
    /// is.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a name that is none, and what the work throws.
    func withCache<R: Sendable>(
        of tenant: Tenant, newProducer producer: String,
        _ body: (ContextCache) async throws(TesseraError) -> R
    ) async throws(TesseraError) -> R {
        if let known = known(tenant, producer) { return try await body(known) }
        try Self.check(producer)
        let cache = try ContextCache(beside: first, namespace: tenant.namespace, producer: producer)
        let result = try await body(cache)
        remember(cache, of: tenant, producer)
        return result
    }

    private func known(_ tenant: Tenant, _ producer: String) -> ContextCache? {
        caches.withLock { $0[Name(namespace: tenant.namespace, producer: producer)] }
    }

    /// Keeps a cache at hand. Of too many, others are let go: they can be made again of what the store has.
    private func remember(_ cache: ContextCache, of tenant: Tenant, _ producer: String) {
        caches.withLock { caches in
            let own = caches.keys.filter { $0.namespace == tenant.namespace && $0.producer != nil }
            if own.count >= Self.mostProducers, let other = own.first { caches[other] = nil }
            caches[Name(namespace: tenant.namespace, producer: producer)] = cache
        }
    }

    private static func check(_ producer: String) throws(TesseraError) {
        guard (1...longestProducer).contains(producer.utf8.count),
            producer.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw TesseraError(
                .invalidInput, "a producer's name has 1 to \(longestProducer) printable characters and no spaces")
        }
    }
}
