// SPDX-License-Identifier: Apache-2.0

package import TesseraKV
package import TesseraStore

extension ContextCache {
    /// Makes a cache for another tenant, on the same model, the same store and the same scheduler. Nothing that one of them
    /// holds is seen by the other.
    ///
    /// - Parameters:
    ///   - other: The cache beside it.
    ///   - namespace: The tenant scope.
    ///   - producer: The runtime that computed the KV that is kept here, for KV made elsewhere; nil for the built-in engine.
    ///     What it made has a fingerprint of its own, and with it keys and a quality gate of its own.
    package init(
        beside other: ContextCache, namespace: String, producer: String? = nil
    ) throws(TesseraError) {
        var options = other.options
        options.namespace = namespace
        options.traceFile = nil
        try self.init(
            runtime: other.runtime, store: other.store, options: options, scheduler: other.scheduler,
            producer: producer)
        try enter()
    }

    /// The store, for looking into it and keeping it in order.
    package nonisolated var chunkStore: ChunkStore { store }

    /// The digest of ``fingerprint``.
    package nonisolated var digest: Digest256 { fingerprintDigest }
}

extension Fingerprint {
    /// The fingerprint of KV that another runtime computed with the same model.
    func imported(from producer: String) -> Fingerprint {
        var own = self
        own.precision = "imported:\(producer)"
        return own
    }
}
