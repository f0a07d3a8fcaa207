// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import TesseraKV
internal import TesseraReuse
internal import TesseraStore

/// What the store has of one context of a prompt.
struct FoundContext {
    /// Where it stands.
    var slots: Range<Int>
    /// Its KVs, the one to use first.
    var candidates: [Candidate]
    /// Contextual variants that were compared.
    var variants: Int
    /// Why it is computed all the same, though the store has it; nil where nothing stands in the way.
    var obstacle: String?

    /// What is decided where a candidate is at hand.
    func decision(for candidate: Candidate) -> ContextDecision {
        var reason = candidate.isContextual ? "this variant takes least to fix here" : "its KV was encoded alone"
        if let kept = candidate.kept { reason += ", and has \(kept.count) of its \(slots.count) tokens" }
        var decision = ContextDecision(
            candidate.isContextual ? .contextual : .isolated, tokens: slots.count, reason: reason)
        decision.variants = variants
        decision.overlap = candidate.fit.overlap
        decision.orderPenalty = candidate.fit.orderPenalty
        decision.impact = candidate.fit.impact
        decision.overhead = candidate.fit.overhead
        if let obstacle {
            decision.source = .computed
            decision.reason = obstacle
        }
        return decision
    }

    /// One KV, and how it fits the place.
    struct Candidate {
        /// Where its bytes are.
        enum Place {
            /// In the store, encoded alone.
            case isolated(StoredChunk)
            /// In the store, captured behind other chunks.
            case contextual(StoredVariant)
            /// In memory.
            case held(EncodedChunk)
        }

        var key: ChunkKey
        var tokens: [TokenID]
        var place: Place
        var isContextual: Bool
        var fit: VariantFit
        var scores: [Float]?
        /// In how many contexts the scores were seen; of no account for a variant that goes by its own.
        var passes: Int?
        var byteCount: Int
        /// Those of its tokens that there are rows of; nil for all.
        var kept: [Int]?

        /// What the choice of tokens goes by, all of them there.
        func reused(in slots: Range<Int>) -> ReusedChunk {
            ReusedChunk(slots: slots, scores: scores, overlap: fit.adjustedOverlap, overhead: fit.overhead)
        }

        /// Candidates of a lower rank go first, whatever they take to fix.
        func rank(_ use: VariantUse) -> Int {
            switch use {
            case .best, .isolated: isContextual && !fit.isFamiliar ? 1 : 0
            case .contextual: isContextual ? 0 : 1
            }
        }

        /// Why a selector had better not use it; nil where it may.
        ///
        /// - Parameter leastPasses: In how many contexts scores must have been seen; nil where the quality gate has nothing
        ///   to say.
        func obstacle(for selector: Selector, leastPasses: Int?) -> String? {
            if case .all = selector, kept != nil { return "tokens are left out of it, and all are to be computed" }
            if leastPasses != nil, kept != nil {
                return "tokens are left out of it, and the quality gate passed whole chunks"
            }
            guard case .storedScore(let options) = selector else { return nil }
            if let alpha = options.alpha, scores != nil, alpha * fit.overhead >= 1 {
                return "all of its stored KV would have to be fixed here"
            }
            guard let leastPasses, fit.adjustedOverlap < 1 else { return nil }
            // Without scores it would be repaired by deviation, which this gate says nothing of.
            if scores == nil { return "it has no scores, and the quality gate has passed nothing else for it" }
            guard let passes, passes < leastPasses else { return nil }
            return "it was seen in \(passes) of the \(leastPasses) contexts that the quality gate wants"
        }
    }
}

extension ContextCache {
    /// The longest stored leading run, never the whole prompt: the last token must be computed.
    func storedPrefix(of tokens: PromptTokens) -> StoredChunk? {
        let candidates = Array(tokens.ids.dropLast())
        let prefix = trusted("a prefix record") { () throws(TesseraError) in
            try store.longestPrefix(fingerprint: fingerprintDigest, namespace: namespace, tokens: candidates)
        }
        // One with losses, as builds before this one wrote them, would not be exact.
        return prefix.flatMap { StoreCodec(rawValue: $0.codec)?.isFaithful == true ? $0 : nil }
    }

    /// What the store has of each context behind a prefix, those that fit best in front.
    ///
    /// - Parameters:
    ///   - selector: What will pick tokens of them.
    ///   - leastPasses: In how many contexts scores must have been seen; nil where the quality gate has nothing to say.
    ///   - records: Records that were looked up before, one for each context; empty where none were.
    func find(
        _ tokens: PromptTokens, behind prefix: Int, for selector: Selector, use: VariantUse, leastPasses: Int? = nil,
        records: [StoredChunk?] = []
    ) -> [FoundContext] {
        let score = selector.storedScore
        let keys = tokens.contexts.enumerated().map { place, slots in
            (place < records.count ? records[place]?.key : nil) ?? key(of: Array(tokens.ids[slots]))
        }
        return zip(tokens.contexts, keys).enumerated().compactMap { place, context in
            let (slots, key) = context
            guard slots.lowerBound >= prefix else { return nil }
            let record = place < records.count ? records[place] : nil
            let ids = record?.tokens ?? Array(tokens.ids[slots])
            let known = variants(of: key, tokens: ids)
            let before = PrefixPlaces(Array(keys[..<place]))
            var candidates = [isolated(key, ids, record, isFirst: place == 0, known: known, score)].compactMap { $0 }
            if use != .isolated {
                candidates += known.map { variant in
                    FoundContext.Candidate(
                        key: variant.key, tokens: ids, place: variant.place, isContextual: true,
                        fit: variant.fit(behind: before), scores: variant.scores(score),
                        byteCount: recordBytes(tokens: ids.count))
                }
                // Of equal ones the one that was encoded alone stays in front: no foreign neighbour has coloured it.
                candidates.sort { ($0.rank(use), $0.fit.overhead) < ($1.rank(use), $1.fit.overhead) }
            }
            return FoundContext(
                slots: slots, candidates: candidates, variants: known.count,
                obstacle: candidates.first?.obstacle(for: selector, leastPasses: leastPasses))
        }
    }

    /// The KV of a chunk that was encoded alone, with what its variants tell of its tokens.
    private func isolated(
        _ key: ChunkKey, _ ids: [TokenID], _ record: StoredChunk?, isFirst: Bool, known: [KnownVariant],
        _ score: StoredScore.Score
    ) -> FoundContext.Candidate? {
        let note = heldChunks[key] == nil ? scoreNote(of: key, tokens: ids.count) : nil
        let pooled = pooledScores(of: known, note: note, score)
        let fit = VariantFit(isolatedFirst: isFirst, impact: pooled?.impact ?? 1)
        let held = heldChunks[key]?.first { $0.statistics == nil }
        let stored = held == nil ? record ?? isolated(key, ids) : nil
        guard let place: FoundContext.Candidate.Place = held.map({ .held($0) }) ?? stored.map({ .isolated($0) }) else {
            return nil
        }
        return FoundContext.Candidate(
            key: key, tokens: ids, place: place, isContextual: false, fit: fit, scores: pooled?.scores,
            passes: known.count { $0.statistics != nil } + (note?.passes ?? 0),
            byteCount: held?.byteCount ?? stored?.byteCount ?? 0, kept: stored?.kept)
    }

    /// A chunk's isolated record.
    private func isolated(_ key: ChunkKey, _ ids: [TokenID]) -> StoredChunk? {
        trusted("a chunk") { () throws(TesseraError) in
            try store.lookup(key, fingerprint: fingerprintDigest, tokens: ids)
        }
    }

    /// A chunk's contextual variants; what was read once is remembered, as nobody else writes variants to the store.
    func variants(of key: ChunkKey, tokens: [TokenID]) -> [KnownVariant] {
        if let held = heldChunks[key] {
            return held.filter { $0.statistics != nil }.map { KnownVariant(held: $0, key: key) }
        }
        if let known = knownVariants[key] { return known }
        let stored = trusted("a chunk's variants") { () throws(TesseraError) in
            try store.variants(of: key, fingerprint: fingerprintDigest, tokens: tokens)
        }
        let known = (stored ?? []).map { KnownVariant($0, tokens: tokens.count) }
        if knownVariants.count >= Self.mostKnownChunks { knownVariants.removeAll() }
        knownVariants[key] = known
        return known
    }

    /// Chunks whose variants are remembered: some kilobytes each.
    static let mostKnownChunks = 4096

    /// Loads a record; nil, and a word to the log, where it can't be trusted.
    func load(_ candidate: FoundContext.Candidate, distrusting distrusted: Set<ChunkKey>) -> (any LayerSource)? {
        guard !distrusted.contains(candidate.key) else { return nil }
        return trusted("a chunk") { () throws(TesseraError) -> (any LayerSource)? in
            switch candidate.place {
            case .held(let chunk): return chunk
            case .isolated(let chunk): return try load(chunk, distrusting: distrusted)
            case .contextual(let variant):
                let chunk = try store.chunk(of: variant, fingerprint: fingerprintDigest, tokens: candidate.tokens)
                guard let chunk else { return nil }
                return try load(chunk, distrusting: distrusted)
            }
        }
    }

    func load(
        _ chunk: StoredChunk, distrusting distrusted: Set<ChunkKey>
    ) throws(TesseraError) -> StoredSource? {
        guard chunk.layout == model.layout, !distrusted.contains(chunk.key) else { return nil }
        guard let streamed = try store.stream(chunk) else { return nil }
        guard let codec = StoreCodec.codec(named: streamed.codec) else {
            throw TesseraError(.unsupported, "its codec \(streamed.codec) is one of a newer Tessera")
        }
        return StoredSource(chunk: streamed, codec: codec)
    }

    /// Turns a failure to load into a miss: an answer never fails because a cache did.
    nonisolated func trusted<R>(_ what: String, _ body: () throws(TesseraError) -> R?) -> R? {
        do throws(TesseraError) {
            return try body()
        } catch {
            log.warning("\(what) could not be loaded and is computed instead: \(error.message)")
            return nil
        }
    }
}

extension Selector {
    /// Which of the stored scores it goes by.
    fileprivate var storedScore: StoredScore.Score {
        if case .storedScore(let options) = self { options.score } else { .peak }
    }
}
