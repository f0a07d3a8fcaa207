// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse
internal import TesseraStore

extension ContextCache {
    /// Finds what the store has of a prompt and plans the rest.
    ///
    /// - Parameters:
    ///   - room: Slots behind the prompt.
    ///   - reusesPrefix: Whether a stored leading run is used; it has no rows of its own.
    ///   - gating: What the quality gate has to say in it.
    ///   - encoded: Contexts that were encoded for this prompt alone, to stand side by side with others.
    ///   - distrusted: Records that failed to load before.
    func assemble(
        _ tokens: PromptTokens, as assembly: Assembly, room: Int, reusesPrefix: Bool = true, gating: Gating = .ungated,
        encoded: [EncodedChunk] = [], distrusting distrusted: Set<ChunkKey> = [], report: inout ReuseReport
    ) throws(TesseraError) -> AssembledRequest {
        try assembly.validate(layers: model.layout.layers)
        var watch = Stopwatch()
        switch assembly {
        case .exact:
            let prefix = reusesPrefix ? storedPrefix(of: tokens) : nil
            report.stages.plan += watch.lap()
            return try stitch(
                tokens, .none, ratio: 0, found: [], prefix: prefix, distrusting: distrusted, room: room, report: &report
            )
        case .stitched(let selector, let ratio, let use):
            let prefix = reusesPrefix ? storedPrefix(of: tokens) : nil
            let found = find(
                tokens, behind: prefix?.tokens.count ?? 0, for: selector, use: use,
                leastPasses: leastPasses(gating))
            guard gating == .free else {
                report.stages.plan += watch.lap()
                return try stitch(
                    tokens, selector, ratio: ratio, found: found, prefix: prefix, distrusting: distrusted, room: room,
                    report: &report)
            }
            let planned = plan(tokens, selector, ratio: ratio, found: found, prefix: prefix)
            if planned.path == .stitched {
                report.restart(.stitched(selector, ratio: planned.ratio, variants: use), planned)
                report.stages.plan += watch.lap()
                return try stitch(
                    tokens, selector, ratio: planned.ratio, found: found, prefix: prefix, distrusting: distrusted,
                    room: room,
                    report: &report)
            }
            report.restart(.exact, planned)
            report.stages.plan += watch.lap()
            var request = try stitch(
                tokens, .none, ratio: 0, found: [], prefix: prefix, distrusting: distrusted, room: room, report: &report
            )
            // The next request shall find what this one could not use.
            request.misses = found.filter(\.candidates.isEmpty).map(\.slots)
            report.misses = request.misses.count
            if case .storedScore = selector { request.goesByScores = true }
            return request
        case .parallel(let temperature, let scale):
            return try setSideBySide(
                tokens, temperature: temperature, scale: scale, encoded: encoded, distrusting: distrusted, room: room,
                report: &report)
        }
    }

    /// A prompt whose contexts stand one behind the other.
    ///
    /// - Parameters:
    ///   - found: What the store has of the contexts.
    ///   - storedPrefix: The stored leading run to begin with; nil for none.
    private func stitch(
        _ tokens: PromptTokens, _ selector: Selector, ratio: Double, found: [FoundContext],
        prefix storedPrefix: StoredChunk?, distrusting distrusted: Set<ChunkKey>, room: Int, report: inout ReuseReport
    ) throws(TesseraError) -> AssembledRequest {
        var watch = Stopwatch()
        let prefix = storedPrefix.flatMap { chunk in
            trusted("a prefix record") { () throws(TesseraError) in try load(chunk, distrusting: distrusted) }
        }
        let prefixLength = prefix?.tokenCount ?? 0
        var chosen: [Hit] = []
        var decisions: [ContextDecision] = tokens.contexts
            .filter { $0.upperBound <= prefixLength }
            .map { ContextDecision(.prefix, tokens: $0.count, reason: "it belongs to a stored leading run") }
        var misses: [Range<Int>] = []
        // A context that a lost prefix would have covered is computed like any other.
        for slots in tokens.contexts where slots.upperBound > prefixLength {
            let context = found.first { $0.slots == slots }
            let (decision, hit) = choose(context, slots, distrusting: distrusted)
            decisions.append(decision)
            if let hit { chosen.append(hit) } else if context != nil { misses.append(slots) }
        }
        report.stages.load += watch.lap()

        let rows = PromptRows(
            positions: Array(0..<Int32(tokens.ids.count)), chunks: chosen.map { ($0.reused.slots, $0.kept) })
        let plan = AssemblyPlan(
            length: rows.count, prefix: prefixLength, hits: chosen.map { rows.reused($0.reused, kept: $0.kept) },
            selector: selector, ratio: ratio, layers: model.layout.layers,
            contextsEnd: tokens.contexts.last.map { rows.slot($0.upperBound) })
        let depth = preloadDepth(of: plan, bytes: chosen.reduce(0) { $0 + $1.chunk.byteCount })
        report.stages.plan += watch.lap()
        let buffer = try KVBuffer(layout: model.layout, capacity: rows.count + room)
        buffer.setPositions(rows.positions, from: 0)
        var runs = zip(chosen, plan.reused).map { hit, reused in
            StoredRun(
                source: hit.chunk, slot: reused.slots.lowerBound, positions: Array(rows.positions[reused.slots]),
                firstLayer: plan.firstStoredLayer)
        }
        if let prefix {
            runs.append(
                StoredRun(
                    source: prefix, slot: 0, positions: Array(buffer.positions[..<prefixLength]), firstLayer: 0))
        }
        let streamer = LayerStreamer(runs: runs, buffer: buffer, rotary: model.rotary, depth: depth)
        streamer.request(through: depth - 1)

        report.take(
            plan, decisions: decisions, selector: selector, layers: model.layout.layers, evicted: rows.evicted)
        report.promptTokens = tokens.ids.count
        report.prefixTokens = prefixLength
        report.misses = misses.count
        report.bytesLoaded = runs.reduce(0) { $0 + $1.source.byteCount }
        report.explanation.preloadedLayers = depth
        report.explanation.path = chosen.isEmpty ? (prefix == nil ? .full : .prefix) : .stitched
        report.stages.load += watch.lap()
        var (focuses, goesByScores) = (false, false)
        if case .storedScore(let options) = selector { (focuses, goesByScores) = (options.focuses, true) }
        return AssembledRequest(
            ids: rows.values(tokens.ids), buffer: buffer, plan: plan, nextPosition: Int32(tokens.ids.count),
            misses: misses, hasHoles: rows.hasHoles, hasPrefix: prefix != nil, focuses: focuses,
            goesByScores: goesByScores, frames: tokens.frames,
            streamer: streamer)
    }

    /// A stored chunk that is used.
    private struct Hit {
        var chunk: any LayerSource
        /// Where it stands, and what is known of it, as if it were whole.
        var reused: ReusedChunk
        /// The tokens that it has; nil for all.
        var kept: [Int]?
    }

    /// Which of a context's stored KVs is used, loaded; none where it is to be computed.
    private func choose(
        _ context: FoundContext?, _ slots: Range<Int>, distrusting distrusted: Set<ChunkKey>
    ) -> (decision: ContextDecision, hit: Hit?) {
        guard let context else {
            return (ContextDecision(.computed, tokens: slots.count, reason: "everything is computed"), nil)
        }
        for candidate in context.candidates {
            let decision = context.decision(for: candidate)
            guard decision.source != .computed else { return (decision, nil) }
            guard let chunk = load(candidate, distrusting: distrusted) else { continue }
            shelf.use(candidate.key, overhead: candidate.fit.overhead)
            store.noteShare(candidate.fit.overhead, of: candidate.key)
            return (decision, Hit(chunk: chunk, reused: candidate.reused(in: slots), kept: candidate.kept))
        }
        let reason = context.candidates.isEmpty ? "the store does not have it" : "its stored KV can't be trusted"
        return (ContextDecision(.computed, tokens: slots.count, reason: reason), nil)
    }

    /// A prompt whose contexts share their positions.
    private func setSideBySide(
        _ tokens: PromptTokens, temperature: Double, scale: Double, encoded fresh: [EncodedChunk],
        distrusting distrusted: Set<ChunkKey>, room: Int, report: inout ReuseReport
    ) throws(TesseraError) -> AssembledRequest {
        var watch = Stopwatch()
        let layout = ParallelLayout(tokens, behind: fingerprint.recipe)
        let found = find(tokens, behind: 0, for: .none, use: .isolated)
        report.stages.plan += watch.lap()
        var sources: [any LayerSource] = []
        var chunks: [(slots: Range<Int>, kept: [Int]?)] = []
        var encoded: [EncodedChunk] = []
        var decisions: [ContextDecision] = []
        for (context, slots) in zip(found, layout.contexts) {
            let candidate = context.candidates.first
            if let candidate, let stored = load(candidate, distrusting: distrusted) {
                decisions.append(context.decision(for: candidate))
                sources.append(stored)
                chunks.append((slots, candidate.kept))
            } else {
                decisions.append(
                    ContextDecision(.computed, tokens: slots.count, reason: "the store does not have it"))
                let ids = Array(layout.ids[slots])
                // One whose record was lost meanwhile is encoded here and now.
                let known = fresh.first { $0.tokens == ids }
                let chunk = if let known { known } else { try chunkEncoder.encode(ids) }
                encoded.append(chunk)
                sources.append(chunk)
                chunks.append((slots, nil))
            }
        }
        let rows = PromptRows(positions: layout.positions, chunks: chunks)
        let runs = zip(sources, layout.contexts).map { source, context in
            let slots = rows.slots(context)
            return StoredRun(
                source: source, slot: slots.lowerBound, positions: Array(rows.positions[slots]), firstLayer: 0)
        }
        report.stages.load += watch.lap()
        let buffer = try KVBuffer(layout: model.layout, capacity: rows.count + room)
        buffer.setPositions(rows.positions, from: 0)
        let plan = AssemblyPlan(
            length: rows.count, prefix: 0, hits: layout.contexts.map { ReusedChunk(slots: rows.slots($0)) },
            selector: .none, ratio: 0, layers: model.layout.layers)
        let streamer = LayerStreamer(runs: runs, buffer: buffer, rotary: model.rotary)
        streamer.request(through: 0)
        report.take(plan, decisions: decisions, selector: .none, layers: model.layout.layers, evicted: rows.evicted)
        report.promptTokens = layout.ids.count
        report.misses = encoded.count
        report.hits -= encoded.count
        report.bytesLoaded = runs.reduce(0) { $0 + $1.source.byteCount } - encoded.reduce(0) { $0 + $1.byteCount }
        report.explanation.path = .parallel
        report.stages.plan += watch.lap()
        return AssembledRequest(
            ids: rows.values(layout.ids), buffer: buffer, plan: plan, nextPosition: layout.nextPosition,
            parallel: layout.contexts.isEmpty
                ? nil
                : ParallelContexts(
                    slots: rows.slots(layout.block), temperature: Float(temperature), scale: Float(scale)),
            hasHoles: rows.hasHoles, encoded: encoded, streamer: streamer)
    }
}

extension ReuseReport {
    /// Goes over to the assembly that the cost model picked.
    mutating func restart(_ assembly: Assembly, _ planned: PlannedPath) {
        var other = ReuseReport(assembly)
        other.stages = stages
        other.explanation = explanation
        other.explanation.estimates = planned.estimates
        other.explanation.reason = "\(explanation.reason); \(planned.reason)"
        self = other
    }

    /// Takes down what is reused and what is computed.
    ///
    /// - Parameter evicted: The tokens that stored chunks lack.
    mutating func take(
        _ plan: AssemblyPlan, decisions: [ContextDecision], selector: Selector, layers: Int, evicted: Int
    ) {
        evictedTokens = evicted
        hits = plan.reused.count
        contextualHits = decisions.count { $0.source == .contextual }
        unscoredHits = plan.selection.unscoredChunks
        reusedTokens = plan.reusedTokens
        recomputedTokens = plan.recomputedTokens
        effectiveRecompute = plan.effectiveRecompute(layers: layers)
        provenance = plan.reusedTokens == 0 || (selector == .all && evicted == 0) ? .exact : .composed
        explanation.contexts = decisions
        // The reused chunks stand in the order of their decisions.
        var chunks = plan.reused.makeIterator()
        for index in explanation.contexts.indices {
            switch explanation.contexts[index].source {
            case .computed: explanation.contexts[index].recomputed = explanation.contexts[index].tokens
            case .prefix: break
            case .isolated, .contextual:
                guard let chunk = chunks.next() else { continue }
                explanation.contexts[index].recomputed = plan.selection.fixed.count { chunk.slots.contains($0) }
            }
        }
    }
}
