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

    /// The most runtimes that a tenant brings KV of.
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
    /// - Parameter isNew: Whether the runtime may be one that nothing is kept of yet.
    /// - Throws: ``TesseraError``: `notFound` for a runtime that nothing is kept of, `invalidInput` for a name that is none,
    ///   and for too many of them.
    func cache(
        of tenant: Tenant, producer: String, isNew: Bool = false
    ) throws(TesseraError) -> ContextCache {
        guard (1...Self.longestProducer).contains(producer.utf8.count),
            producer.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw TesseraError(
                .invalidInput,
                "a producer's name has 1 to \(Self.longestProducer) printable characters and no spaces")
        }
        let name = Name(namespace: tenant.namespace, producer: producer)
        let (known, count) = caches.withLock { caches in
            (caches[name], caches.keys.count { $0.namespace == name.namespace && $0.producer != nil })
        }
        if let known { return known }
        let isKept = try first.keepsImports(of: producer, namespace: tenant.namespace)
        guard isNew || isKept else {
            throw TesseraError(.notFound, "nothing is kept here of a producer \(producer)")
        }
        guard count < Self.mostProducers else {
            throw TesseraError(.invalidInput, "there is KV of \(count) other producers here, which is as many as go")
        }
        let cache = try ContextCache(beside: first, namespace: tenant.namespace, producer: producer)
        return caches.withLock { caches in
            if let known = caches[name] { return known }
            caches[name] = cache
            return cache
        }
    }
}
