// SPDX-License-Identifier: Apache-2.0

public import TesseraKV
internal import TesseraStore

/// How far filling the store has come.
public struct IngestProgress: Sendable, Equatable {
    /// Chunks computed so far.
    public var chunks = 0
    /// Tokens of these.
    public var tokens = 0
    /// Bytes of their KV.
    public var bytes = 0

    /// Nothing computed yet.
    public init() {}

    init(chunks: Int, tokens: Int, bytes: Int) {
        (self.chunks, self.tokens, self.bytes) = (chunks, tokens, bytes)
    }
}

extension ContextCache {
    /// The key of a chunk in this cache.
    public nonisolated func key(of chunk: [TokenID]) -> ChunkKey {
        ChunkKey(fingerprint: fingerprintDigest, namespace: namespace, chunk: chunk)
    }

    /// Computes and keeps the KV of chunks that the store lacks. Requests go first; a chunk that is being computed for
    /// somebody else is waited for and not computed twice.
    ///
    /// - Parameters:
    ///   - chunks: Token ids of each chunk, without any prefix. Empty ones and those already there are passed over.
    ///   - progress: Told after each chunk that was computed.
    /// - Returns: What was computed; all of it is on disk.
    /// - Throws: ``TesseraError``: `tooLong` for a chunk beyond the model's context, `full` for a disk or a cap without
    ///   room, `cancelled` when the task is. What was computed before stays.
    @discardableResult
    public func ingest(
        chunks: [[TokenID]], progress: ((IngestProgress) -> Void)? = nil
    ) async throws(TesseraError) -> IngestProgress {
        try await ingest(chunks.map { PendingRecord(kind: .chunk, tokens: $0) }, progress: progress)
    }

    /// Computes and keeps the KV of a prompt's contexts, as far as the store lacks them.
    ///
    /// - Parameter prompt: The prompt whose contexts are wanted.
    /// - Throws: ``TesseraError`` as ``ingest(chunks:progress:)``.
    public func ingest(contextsOf prompt: Prompt) async throws(TesseraError) {
        let tokens = try promptTokens(prompt)
        try await ingest(chunks: tokens.contexts.map { Array(tokens.ids[$0]) })
    }

    /// Computes and keeps the KV of a prompt's leading run, so that prompts which begin with it reuse it exactly.
    ///
    /// - Parameter system: The system text, as prompts will give it; it is laid out by the prompt template.
    /// - Returns: The tokens of the run that is kept now; nil for one so short that computing it costs less than finding
    ///   it.
    @discardableResult
    public func ingest(system: Prompt.Segment) async throws(TesseraError) -> Int? {
        // A context marks where the leading run ends; any token will do.
        let probe = Prompt(system: system, contexts: [.tokens([0])], question: .tokens([]))
        let tokens = try promptTokens(probe)
        guard tokens.leading.count >= Self.shortestPrefix else { return nil }
        try await ingest([PendingRecord(kind: .prefix, tokens: Array(tokens.leading))])
        return tokens.leading.count
    }

    @discardableResult
    func ingest(
        _ wanted: [PendingRecord], sparing scope: RecordScope? = nil, progress: ((IngestProgress) -> Void)? = nil
    ) async throws(TesseraError) -> IngestProgress {
        var done = IngestProgress()
        if let producer {
            throw TesseraError(.unsupported, "the KV kept here is made by \(producer); ingest what it made")
        }
        let missing = try missing(of: wanted)
        guard !missing.isEmpty else { return done }
        try makeRoom(for: missing.reduce(0) { $0 + ($1.kind == .chunk ? recordBytes(tokens: $1.tokens.count) : 0) })
        let writer = RecordWriter(store: store, namespace: namespace, sparing: scope)
        var claimed: Set<ChunkKey> = []
        defer { release(claimed) }
        do throws(TesseraError) {
            for pending in missing {
                let key = pending.key(fingerprint: fingerprintDigest, namespace: namespace)
                if isClaimed(key) {
                    // What is ours is let go first: the other may be waiting for one of these.
                    try writer.finish()
                    release(claimed)
                    claimed = []
                    await waitUntilReleased(key)
                }
                guard try store.contains([key]) == [false] else { continue }
                claim(key)
                claimed.insert(key)
                let record = try await encoded(pending)
                try writer.add(record)
                if pending.kind == .chunk { shelf.add(record.key, bytes: record.byteCount) }
                done.chunks += 1
                done.tokens += pending.tokens.count
                done.bytes += record.byteCount
                progress?(done)
            }
        } catch {
            // What was computed before the failure is worth keeping; the failure is what the caller must hear.
            try? writer.finish()
            throw error
        }
        try writer.finish()
        saveRates(after: 8)
        return done
    }

    /// The record of a run of tokens, computed in a turn of its own.
    private func encoded(_ pending: PendingRecord) async throws(TesseraError) -> ChunkRecord {
        let encoder = encoder(for: pending.kind)
        let (chunk, seconds) = try await compute { () throws(TesseraError) in
            var watch = Stopwatch()
            let chunk = try encoder.encode(pending.tokens)
            return (chunk, watch.lap() - chunk.waited.seconds)
        }
        learn(rows: chunk.tokenCount, keys: chunk.tokenCount, seconds: seconds)
        return ChunkRecord(
            kind: pending.kind, fingerprint: fingerprintDigest, namespace: namespace, tokens: pending.tokens,
            layout: model.layout, codec: chunk.codec.name, layers: chunk.layers)
    }

    /// Leading runs are there to be exact, whatever chunks are kept in.
    private var prefixCodec: any KVCodec {
        StoreCodec(rawValue: codec.name)?.isFaithful == true ? codec : StoreCodec.fp16.codec
    }

    /// Those of `wanted` that the store lacks, each once.
    private func missing(of wanted: [PendingRecord]) throws(TesseraError) -> [PendingRecord] {
        let keyed = wanted.filter { !$0.tokens.isEmpty }.map {
            (key: $0.key(fingerprint: fingerprintDigest, namespace: namespace), record: $0)
        }
        var seen: Set<ChunkKey> = []
        return zip(keyed, try store.contains(keyed.map(\.key))).compactMap { pair, isThere in
            !isThere && seen.insert(pair.key).inserted ? pair.record : nil
        }
    }

    private func encoder(for kind: RecordKind) -> ChunkEncoder {
        switch kind {
        case .chunk: chunkEncoder
        case .prefix: ChunkEncoder(kind: .prefix, runtime: runtime, codec: prefixCodec, prefix: [])
        }
    }
}
