// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse
internal import TesseraStore

/// The way that the cost model picked for a prompt.
struct PlannedPath {
    var path: PromptPath
    /// The ratio to use where chunks are stitched.
    var ratio: Double
    var estimates: [PathEstimate] = []
    var reason: String
}

extension ContextCache {
    /// Picks the fastest way for a prompt, by what work costs on this machine.
    ///
    /// The order is exact prefix, stitched, full; of ways that take as long the first wins. CacheBlend's loading
    /// controller sets the ratio: where placing stored KV would take longer than computing `ratio` of it, more is computed
    /// in the same time; where it would take longer than computing all, the chunks are left alone.
    func plan(
        _ tokens: PromptTokens, _ selector: Selector, ratio: Double, found: [FoundContext], prefix: StoredChunk?
    ) -> PlannedPath {
        let hits = found.filter { $0.obstacle == nil }
            .compactMap { context in context.candidates.first.map { (context.slots, $0) } }
        let exact: PromptPath = prefix == nil ? .full : .prefix
        guard !hits.isEmpty else {
            return PlannedPath(
                path: exact, ratio: ratio, reason: "the store has nothing of this prompt that may be used")
        }
        let rates = machineRates()
        guard rates.canEstimate else {
            return PlannedPath(
                path: .stitched, ratio: ratio, reason: "nothing was measured on this machine yet, and chunks are there")
        }
        let tokensReused = hits.reduce(0) { $0 + ($1.1.kept?.count ?? $1.0.count) }
        let load = LoadWork(records: hits.count, bytes: hits.reduce(0) { $0 + $1.1.byteCount })
        var ratio = ratio
        if selector.takesRatio, let placing = rates.seconds(placing: load),
            let whole = rates.seconds(for: fullWork(rows: tokensReused, keys: tokens.ids.count))
        {
            guard let controlled = LoadingController.ratio(least: ratio, load: placing, prefill: whole) else {
                return PlannedPath(
                    path: exact, ratio: ratio, reason: "placing the stored chunks takes longer than computing them")
            }
            ratio = controlled
        }
        let estimates = estimates(tokens, selector, ratio: ratio, hits: hits, load: load, prefix: prefix, rates)
        guard estimates.contains(where: { $0.path == .stitched }), let best = fastest(estimates) else {
            return PlannedPath(path: .stitched, ratio: ratio, reason: "there is nothing to estimate loading by yet")
        }
        return PlannedPath(
            path: best.path, ratio: ratio, estimates: estimates, reason: "it is the fastest by this machine's rates")
    }

    private func estimates(
        _ tokens: PromptTokens, _ selector: Selector, ratio: Double, hits: [(Range<Int>, FoundContext.Candidate)],
        load: LoadWork, prefix: StoredChunk?, _ rates: MachineRates
    ) -> [PathEstimate] {
        let (length, layers) = (tokens.ids.count, model.layout.layers)
        let prefixLoad = LoadWork(records: prefix == nil ? 0 : 1, bytes: prefix?.byteCount ?? 0)
        let there = PromptRows(
            positions: Array(0..<Int32(length)), chunks: hits.map { slots, candidate in (slots, candidate.kept) })
        let reused = hits.map { slots, candidate in
            there.reused(candidate.reused(in: slots), kept: candidate.kept)
        }
        let plan = AssemblyPlan(
            length: there.count, prefix: prefix?.tokens.count ?? 0, hits: reused, selector: selector, ratio: ratio,
            layers: layers, contextsEnd: tokens.contexts.last.map { there.slot($0.upperBound) })
        let behindPrefix = fullWork(rows: length - (prefix?.tokens.count ?? 0), keys: length)
        var rows = plan.rows(layers: layers)
        if case .question = plan.selection.choice {
            // The question and all that is not reused is computed for its look, too.
            rows = rows.map { $0 + plan.computed.count }
        }
        let stitched = PrefillWork(rows: rows, keys: there.count)
        let ways: [(PromptPath, LoadWork, PrefillWork)] = [
            (.prefix, prefixLoad, behindPrefix), (.stitched, prefixLoad + load, stitched),
            (.full, LoadWork(records: 0, bytes: 0), fullWork(rows: length, keys: length)),
        ]
        return ways.filter { prefix != nil || $0.0 != .prefix }.compactMap { path, load, work in
            guard let loading = rates.seconds(for: load), let computing = rates.seconds(for: work) else { return nil }
            return PathEstimate(path: path, load: loading, compute: computing)
        }
    }

    /// How many layers are placed ahead, so that the computation does not wait.
    func preloadDepth(of plan: AssemblyPlan, bytes: Int) -> Int {
        let (layers, rates) = (model.layout.layers, machineRates())
        let work = PrefillWork(rows: plan.rows(layers: layers), keys: plan.question.upperBound)
        guard let place = rates.seconds(placing: LoadWork(records: plan.reused.count, bytes: bytes)),
            let compute = rates.seconds(for: work)
        else { return 1 }
        return TesseraReuse.preloadDepth(
            layers: layers, load: place / Double(layers), compute: compute / Double(layers))
    }

    private func fullWork(rows: Int, keys: Int) -> PrefillWork {
        PrefillWork(rows: Array(repeating: rows, count: model.layout.layers), keys: keys)
    }
}
