// SPDX-License-Identifier: Apache-2.0

package import TesseraKV
internal import TesseraReuse
internal import TesseraStore

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
        try planned(segments, options: options).plan
    }

    /// The same, with the stored KV that the plan uses.
    ///
    /// - Parameter loads: Whether KV is loaded: what can't be is computed, and the tokens to compute anew are chosen among
    ///   the rest.
    func planned(
        _ segments: [PlanSegment], options: AnswerOptions, loads: Bool = false
    ) throws(TesseraError) -> (plan: PromptPlan, runs: [LoadedRun]) {
        let (assembly, gating, reason) = try plannedAssembly(options)
        let (tokens, records) = try named(segments)
        try checkLength(tokens)
        let leading = try storedPrefix(of: tokens).flatMap { (record) throws(TesseraError) in
            try run(of: record, at: 0, loads: loads)
        }
        let prefix = leading?.slots.count ?? 0
        var plan = PromptPlan(
            assembly: assembly, reason: reason, promptTokens: tokens.ids.count, prefixTokens: prefix,
            chunks: undecided(tokens, records, behind: prefix), selection: .fixed([]))
        var runs = [leading].compactMap { $0 }
        guard case .stitched(let selector, let ratio, let use) = assembly else { return (plan, runs) }
        let found = find(
            tokens, behind: prefix, for: selector, use: use,
            leastPasses: leastPasses(gating), records: records)
        var reused: [ReusedChunk] = []
        for context in found {
            guard let place = plan.chunks.firstIndex(where: { $0.slots == context.slots }) else { continue }
            let (decision, chosen) = try settled(context, loads: loads)
            plan.chunks[place].decision = decision
            guard let (candidate, run) = chosen else { continue }
            runs.append(run)
            reused.append(candidate.reused(in: context.slots))
        }
        plan.selection = selector.plan(chunks: reused, ratio: ratio, layers: model.layout.layers)
        return (plan, runs)
    }

    /// The assembly of a plan: one that can be carried out elsewhere.
    private func plannedAssembly(
        _ options: AnswerOptions
    ) throws(TesseraError) -> (assembly: Assembly, gating: Gating, reason: String) {
        let (assembly, gating, reason) = try gatedAssembly(options)
        if case .parallel = assembly {
            throw TesseraError(.unsupported, "parallel contexts are assembled by the built-in engine alone")
        }
        try assembly.validate(layers: model.layout.layers)
        return (assembly, gating, reason)
    }

    private func checkLength(_ tokens: PromptTokens) throws(TesseraError) {
        guard !tokens.ids.isEmpty else { throw TesseraError(.invalidInput, "the prompt has no tokens") }
        guard tokens.ids.count <= model.contextLength else {
            throw TesseraError(
                .tooLong, "the prompt has \(tokens.ids.count) tokens and the model's context \(model.contextLength)")
        }
    }

    /// A prompt's chunks while nothing but a leading run is reused.
    private func undecided(
        _ tokens: PromptTokens, _ records: [StoredChunk?], behind prefix: Int
    ) -> [PromptPlan.Chunk] {
        zip(tokens.contexts, records).map { slots, record in
            let isLeading = slots.upperBound <= prefix
            return PromptPlan.Chunk(
                key: record?.key ?? key(of: Array(tokens.ids[slots])), slots: slots,
                decision: ContextDecision(
                    isLeading ? .prefix : .computed, tokens: slots.count,
                    reason: isLeading ? "it belongs to a stored leading run" : "everything is computed"))
        }
    }

    /// What becomes of a chunk, and the KV that is used where some is.
    private func settled(
        _ context: FoundContext, loads: Bool
    ) throws(TesseraError) -> (ContextDecision, (FoundContext.Candidate, LoadedRun)?) {
        // A lease has a row for each token.
        guard let candidate = context.candidates.first(where: { $0.kept == nil }) else {
            let reason =
                context.candidates.isEmpty
                ? "the store does not have it" : "tokens are left out of it, and another runtime needs them all"
            return (ContextDecision(.computed, tokens: context.slots.count, reason: reason), nil)
        }
        var decision = context.decision(for: candidate)
        guard context.obstacle == nil else { return (decision, nil) }
        guard let run = try run(of: candidate, at: context.slots.lowerBound, loads: loads) else {
            decision.source = .computed
            decision.reason = "its KV can't be loaded"
            return (decision, nil)
        }
        return (decision, (candidate, run))
    }

    /// A candidate's KV where it goes; nil where it can't be loaded.
    private func run(
        of candidate: FoundContext.Candidate, at slot: Int, loads: Bool
    ) throws(TesseraError) -> LoadedRun? {
        guard loads else { return LoadedRun(chunk: nil, slots: slot..<slot + candidate.tokens.count) }
        switch candidate.place {
        case .held: return nil
        case .isolated(let record): return try run(of: record, at: slot, loads: loads)
        case .contextual(let variant):
            return try store.chunk(of: variant, fingerprint: fingerprintDigest, tokens: candidate.tokens)
                .flatMap { (record) throws(TesseraError) in try run(of: record, at: slot, loads: loads) }
        }
    }

    private func run(of record: StoredChunk, at slot: Int, loads: Bool) throws(TesseraError) -> LoadedRun? {
        let slots = slot..<slot + record.tokens.count
        guard loads else { return LoadedRun(chunk: nil, slots: slots) }
        guard record.layout == model.layout else { return nil }
        return try store.load(record).map { LoadedRun(chunk: $0, slots: slots) }
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
            case .text(let ids):
                try checkVocabulary(ids)
                tokens.ids += ids
            case .chunk(let ids):
                try checkVocabulary(ids)
                add(ids, nil)
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
        return (tokens, records)
    }
}
