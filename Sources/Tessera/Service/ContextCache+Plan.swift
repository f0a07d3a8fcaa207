// SPDX-License-Identifier: Apache-2.0

package import TesseraKV
package import TesseraReuse
internal import TesseraStore

/// A part of a prompt, as a runtime elsewhere names it.
package enum PlanSegment: Sendable, Equatable {
    /// Tokens that are computed or belong to a stored leading run: system text, glue, the question.
    case text([TokenID])
    /// A chunk by its tokens.
    case chunk([TokenID])
    /// A chunk by its key, which ingest or warm-up returned.
    case stored(ChunkKey)
}

/// What is decided for a prompt that another runtime will compute.
package struct PromptPlan: Sendable {
    /// A chunk of the prompt.
    package struct Chunk: Sendable {
        /// The key of the chunk encoded alone.
        package var key: ChunkKey
        /// Its slots, which are its positions too.
        package var slots: Range<Int>
        /// What was decided for it.
        package var decision: ContextDecision
    }

    /// How the prompt comes about.
    package var assembly: Assembly
    /// Why this way.
    package var reason: String
    /// Tokens of the whole prompt.
    package var promptTokens: Int
    /// Tokens of a stored leading run.
    package var prefixTokens: Int
    /// The chunks, in prompt order.
    package var chunks: [Chunk]
    /// The reused tokens to compute anew: known now, or to be measured while the prompt is computed.
    package var selection: SelectionPlan

    /// Whether a chunk's stored KV is used.
    package func reuses(_ chunk: Chunk) -> Bool {
        chunk.decision.source == .isolated || chunk.decision.source == .contextual
    }
}

extension ContextCache {
    /// Finds what the store has of a prompt and says what to do with it; nothing is loaded or computed.
    ///
    /// The cost model has no say: its rates are those of the built-in engine.
    ///
    /// - Parameters:
    ///   - segments: The prompt in order.
    ///   - options: The assembly, or none for what the quality gate has passed.
    /// - Throws: ``TesseraError``: `notFound` for keys of chunks that are not in this namespace, `invalidInput` for tokens
    ///   beyond the vocabulary and for an assembly that the gate has not passed, `tooLong` for a prompt beyond the context,
    ///   `unsupported` for parallel contexts.
    package func plan(_ segments: [PlanSegment], options: AnswerOptions) throws(TesseraError) -> PromptPlan {
        let (assembly, gating, reason) = try gatedAssembly(options)
        if case .parallel = assembly {
            throw TesseraError(.unsupported, "parallel contexts are assembled by the built-in engine alone")
        }
        try assembly.validate(layers: model.layout.layers)
        let (tokens, records) = try named(segments)
        guard !tokens.ids.isEmpty else { throw TesseraError(.invalidInput, "the prompt has no tokens") }
        guard tokens.ids.count <= model.contextLength else {
            throw TesseraError(
                .tooLong, "the prompt has \(tokens.ids.count) tokens and the model's context \(model.contextLength)")
        }
        let prefix = storedPrefix(of: tokens)?.tokens.count ?? 0
        var chunks = zip(tokens.contexts, records).map { slots, record in
            PromptPlan.Chunk(
                key: record?.key ?? key(of: Array(tokens.ids[slots])), slots: slots,
                decision: ContextDecision(
                    slots.upperBound <= prefix ? .prefix : .computed, tokens: slots.count,
                    reason: slots.upperBound <= prefix
                        ? "it belongs to a stored leading run" : "everything is computed"))
        }
        guard case .stitched(let selector, let ratio, let use) = assembly else {
            return PromptPlan(
                assembly: assembly, reason: reason, promptTokens: tokens.ids.count, prefixTokens: prefix,
                chunks: chunks, selection: .fixed([]))
        }
        let found = find(
            tokens, behind: prefix, for: selector, use: use,
            leastPasses: leastPasses(gating), records: records)
        var reused: [ReusedChunk] = []
        for context in found {
            guard let place = chunks.firstIndex(where: { $0.slots == context.slots }) else { continue }
            guard let candidate = context.candidates.first else {
                chunks[place].decision.reason = "the store does not have it"
                continue
            }
            chunks[place].decision = context.decision(for: candidate)
            if context.obstacle == nil { reused.append(candidate.reused(in: context.slots)) }
        }
        return PromptPlan(
            assembly: assembly, reason: reason, promptTokens: tokens.ids.count, prefixTokens: prefix, chunks: chunks,
            selection: selector.plan(chunks: reused, ratio: ratio, layers: model.layout.layers))
    }

    /// The ids of a prompt, with the records of the chunks that were named by their keys.
    func named(
        _ segments: [PlanSegment]
    ) throws(TesseraError) -> (tokens: PromptTokens, records: [StoredChunk?]) {
        var tokens = PromptTokens(ids: [], contexts: [])
        var records: [StoredChunk?] = []
        var strangers: [ChunkKey] = []
        func add(_ ids: [TokenID], _ record: StoredChunk?) {
            guard !ids.isEmpty else { return }
            tokens.contexts.append(tokens.ids.count..<tokens.ids.count + ids.count)
            tokens.ids += ids
            records.append(record)
        }
        for segment in segments {
            switch segment {
            case .text(let ids): tokens.ids += ids
            case .chunk(let ids): add(ids, nil)
            case .stored(let key):
                if let record = try store.lookup(key, fingerprint: fingerprintDigest, namespace: namespace) {
                    add(record.tokens, record)
                } else {
                    strangers.append(key)
                }
            }
        }
        guard strangers.isEmpty else {
            throw TesseraError(
                .notFound,
                "the store has no chunk \(strangers.map(\.description).joined(separator: ", ")) here; send its tokens, or "
                    + "ingest it again")
        }
        if let stranger = tokens.ids.first(where: { $0 < 0 || Int($0) >= model.vocabulary }) {
            throw TesseraError(
                .invalidInput, "the token id \(stranger) is not in the model's vocabulary of \(model.vocabulary)")
        }
        return (tokens, records)
    }
}
