// SPDX-License-Identifier: Apache-2.0

package import TesseraKV
internal import TesseraStore

/// A chunk that was taken in from elsewhere.
package struct TakenChunk: Sendable {
    /// Its key.
    package var key: ChunkKey
    /// Its tokens.
    package var tokens: Int
    /// Bytes of its KV as they are kept.
    package var byteCount: Int
    /// Whether it is new; an equal one may have been there.
    package var isNew: Bool
}

extension ContextCache {
    /// Keeps KV that another runtime made with this model. This cache is that runtime's.
    ///
    /// - Throws: ``TesseraError``: `invalidInput` for KV of another model or shape, or with numbers that can't be kept,
    ///   `full` for a disk or a cap without room.
    package func take(_ file: ImportFile) throws(TesseraError) -> TakenChunk {
        guard let producer, file.producer == producer else {
            throw TesseraError(.invalidInput, "this KV was made by \(file.producer), which is not whose this cache is")
        }
        let own = fingerprint.precision
        guard file.fingerprint == engineDigest else {
            throw TesseraError(
                .invalidInput,
                "the KV states the fingerprint \(file.fingerprint), and this server's model has \(engineDigest) (\(own))"
            )
        }
        guard file.tokens.count <= longestChunk else {
            throw TesseraError(
                .tooLong, "the chunk has \(file.tokens.count) tokens, and the model's context leaves \(longestChunk)")
        }
        try checkVocabulary(file.tokens)
        let layers = try file.layers(model.layout, rotary: model.rotary)
        var encoded: [[UInt8]] = []
        for (index, layer) in layers.enumerated() {
            encoded.append(
                try codec.encode(layer: index, keys: layer.keys, values: layer.values, layout: model.layout))
        }
        let record = ChunkRecord(
            kind: .chunk, fingerprint: fingerprintDigest, namespace: namespace, tokens: file.tokens,
            layout: model.layout, codec: codec.name, layers: encoded)
        let isNew = try store.put(record) == .stored
        return TakenChunk(
            key: record.key, tokens: file.tokens.count, byteCount: record.byteCount, isNew: isNew)
    }

    /// The digest of the built-in engine's fingerprint, which KV made elsewhere states.
    package nonisolated var engineDigest: Digest256 {
        var own = fingerprint
        own.precision = runtime.model.precision
        return own.digest
    }

    /// Whether anything is kept in a namespace that a runtime elsewhere made with this model.
    package nonisolated func keepsImports(of producer: String, namespace: String) throws(TesseraError) -> Bool {
        var filter = EntryFilter()
        filter.namespace = namespace
        filter.fingerprint = fingerprint.imported(from: producer).digest
        return try !store.entries(filter, limit: 1).isEmpty
    }

    /// Forgets what is known of a chunk beside the store: somebody has removed it.
    package func forget(_ key: ChunkKey) {
        knownVariants[key] = nil
        scoreNotes[key] = nil
    }

    /// Writes leases, apart from the cache's actor and from Swift's cooperative pool.
    package nonisolated func leasing<R: Sendable>(
        _ body: @Sendable () throws(TesseraError) -> R
    ) async throws(TesseraError) -> R {
        try await scheduler.leasing.run(body)
    }
}
