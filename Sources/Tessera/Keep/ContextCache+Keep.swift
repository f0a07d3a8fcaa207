// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import TesseraKV
internal import TesseraReuse
internal import TesseraStore

extension ContextCache {
    /// The shortest leading run worth a record: shorter ones cost less to compute than to find.
    static let shortestPrefix = 8

    /// Keeps what a prompt had to compute: its leading run as a prefix record, its missed contexts as chunks, and, where
    /// contextual variants are wanted, chunks that no stored variant fits. Behind chunks that lack tokens nothing is captured.
    ///
    /// - Returns: How many tokens were computed for it.
    func keepMisses(of tokens: PromptTokens, after request: AssembledRequest) async -> Int {
        var computed = 0
        do throws(TesseraError) {
            if tokens.hasLastingPrefix, !request.hasPrefix, tokens.leading.count >= Self.shortestPrefix,
                tokens.leading.count < tokens.ids.count,
                request.parallel == nil
            {
                computed += try await ingest([PendingRecord(kind: .prefix, tokens: Array(tokens.leading))]).tokens
            }
            if request.parallel != nil {
                let chunks = request.encoded
                try keep(zip(chunks, try wanted(chunks.map(\.tokens))).filter(\.1).map(\.0))
            } else if contextualVariants > 0, !request.hasHoles {
                computed += try await keepVariants(of: tokens, after: request)
            } else {
                // One that stands twice in a prompt is asked for once.
                var seen: Set<[TokenID]> = []
                let missed = request.misses.map { Array(tokens.ids[$0]) }.filter { seen.insert($0).inserted }
                let wanted = zip(missed, try wanted(missed)).filter(\.1).map(\.0)
                computed += try await ingest(wanted.map { PendingRecord(kind: .chunk, tokens: $0) }).tokens
            }
            // Variants have seen their contexts already; what lacks tokens can't be looked at as it should be.
            if request.goesByScores, contextualVariants == 0, !request.hasHoles {
                computed += try await noteScores(of: tokens, after: request)
            }
        } catch {
            log.warning("what this prompt computed is not kept: \(error.message)")
        }
        return computed
    }

    /// Which of the chunks that the store lacks are worth keeping, by its eviction policy and its rule of admission. What
    /// is turned away is not computed for the store's sake.
    private func wanted(_ chunks: [[TokenID]]) throws(TesseraError) -> [Bool] {
        try store.wants(
            chunks.map { (key: key(of: $0), tokens: $0.count, byteCount: recordBytes(tokens: $0.count)) },
            scope: RecordScope(fingerprint: fingerprintDigest, namespace: namespace))
    }

    /// Keeps chunks that were encoded for a prompt.
    private func keep(_ chunks: [EncodedChunk]) throws(TesseraError) {
        let records = chunks.map { record(of: $0) }
        guard !records.isEmpty else { return }
        try put(records)
    }

    /// Captures chunks as they stand in a prompt that was answered: those that were computed in it, and those of which
    /// no stored variant fits. A chunk in front is encoded alone.
    private func keepVariants(of tokens: PromptTokens, after request: AssembledRequest) async throws(TesseraError)
        -> Int
    {
        var computed = 0
        let keys = tokens.contexts.map { key(of: Array(tokens.ids[$0])) }
        for (place, slots) in tokens.contexts.enumerated() {
            let ids = Array(tokens.ids[slots])
            guard place > 0 else {
                guard request.misses.contains(slots), try wanted([ids]) == [true] else { continue }
                computed += try await ingest([PendingRecord(kind: .chunk, tokens: ids)]).tokens
                continue
            }
            let before = Array(keys[..<place])
            let known = variants(of: keys[place], tokens: ids)
            let places = PrefixPlaces(before)
            let fits = known.contains { $0.fit(behind: places).isFamiliar }
            let isWanted = request.misses.contains(slots) || (!fits && known.count < contextualVariants)
            guard isWanted, !known.contains(where: { $0.behind == before }) else { continue }
            if known.count >= contextualVariants { try release(known, keeping: contextualVariants - 1) }
            let chunk = try await captured(place, of: tokens, after: request)
            try put([record(of: chunk, behind: before)])
            knownVariants[keys[place]] = nil
            computed += ids.count
        }
        return computed
    }

    /// A context of a prompt that was answered, computed once more over the KV that stood before it there.
    func captured(
        _ place: Int, of tokens: PromptTokens, after request: AssembledRequest
    ) async throws(TesseraError) -> EncodedChunk {
        let (slots, before) = (tokens.contexts[place], Array(tokens.contexts[..<place]))
        let (runtime, codec) = (runtime, codec)
        return try await compute { () throws(TesseraError) in
            try ChunkCapture.run(
                runtime, codec, tokens: Array(tokens.ids[slots]), from: slots.lowerBound, capturing: slots,
                behind: before, over: request.buffer)
        }
    }

    /// Lets the variants of a chunk go that are worth least.
    private func release(_ known: [KnownVariant], keeping count: Int) throws(TesseraError) {
        let ranked = known.map(\.key).sorted { shelf.value(of: $0) > shelf.value(of: $1) }
        let gone = Array(ranked.dropFirst(count))
        try store.remove(gone)
        shelf.forget(gone)
    }

    /// A record of a chunk.
    func record(of chunk: EncodedChunk, behind before: [ChunkKey] = []) -> ChunkRecord {
        guard !before.isEmpty else {
            return ChunkRecord(
                kind: .chunk, fingerprint: fingerprintDigest, namespace: namespace, tokens: chunk.tokens,
                layout: model.layout, codec: codec.name, layers: chunk.layers)
        }
        return ChunkRecord(
            behind: before, statistics: chunk.statistics?.encoded ?? [], fingerprint: fingerprintDigest,
            namespace: namespace, tokens: chunk.tokens, layout: model.layout, codec: codec.name, layers: chunk.layers)
    }

    /// Puts records of chunks into the store, with room made for them.
    func put(_ records: [ChunkRecord]) throws(TesseraError) {
        try makeRoom(for: records.reduce(0) { $0 + $1.byteCount })
        try store.put(records)
        for record in records { shelf.add(record.key, bytes: record.byteCount) }
    }

    /// Lets chunks go until so many bytes are free under the budget.
    func makeRoom(for bytes: Int) throws(TesseraError) {
        guard let chunkBudget else { return }
        let gone = shelf.victims(cap: chunkBudget, room: bytes)
        guard !gone.isEmpty else { return }
        try store.remove(gone)
        shelf.forget(gone)
        knownVariants.removeAll()
    }
}
