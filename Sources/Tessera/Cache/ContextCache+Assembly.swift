// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import TesseraKV
internal import TesseraReuse
internal import TesseraStore

/// A prompt whose stored KV is found and whose computation is planned.
struct AssembledRequest {
    /// The prompt's ids.
    let ids: [TokenID]
    /// The keys and values of this request alone.
    let buffer: KVBuffer
    /// What is computed.
    let plan: AssemblyPlan
    /// The contexts whose KV was not to be had.
    let misses: [Range<Int>]
    /// Whether a stored leading run was found.
    let hasPrefix: Bool
    let streamer: LayerStreamer

    /// Runs the planned tokens through the model.
    func prefill(
        _ runtime: any ModelRuntime, logits: PartialPrefill.Logits, report: inout ReuseReport
    ) throws(TesseraError) -> PrefillOutput {
        let observer = AssemblyObserver(plan: plan, streamer: streamer, buffer: buffer)
        let output = try runtime.prefill(
            PartialPrefill(
                input: .tokens(plan.computed.map { ids[$0] }), slots: plan.computed, keyCount: ids.count,
                logits: logits),
            over: buffer, observer: observer)
        report.stages.stall = observer.stall.seconds
        return output
    }
}

extension ContextCache {
    /// Finds what the store has of a prompt and plans the rest.
    ///
    /// - Parameter reusesPrefix: Whether a stored leading run is used; it has no rows of its own.
    func assemble(
        _ tokens: PromptTokens, as assembly: Assembly, capacity: Int, reusesPrefix: Bool = true,
        report: inout ReuseReport
    ) throws(TesseraError) -> AssembledRequest {
        try assembly.validate(layers: model.layout.layers)
        var watch = Stopwatch()
        let buffer = try KVBuffer(layout: model.layout, capacity: capacity)
        let prefix: StoredPrefix = reusesPrefix ? loadPrefix(of: tokens) : (0, nil)
        var hits: [(slots: Range<Int>, chunk: LoadedChunk)] = []
        var misses: [Range<Int>] = []
        var (selector, ratio) = (Selector.none, 0.0)
        if case .stitched(let chosen, let share) = assembly {
            (selector, ratio) = (chosen, share)
            for slots in tokens.contexts where slots.lowerBound >= prefix.length {
                if let chunk = loadChunk(Array(tokens.ids[slots])) {
                    hits.append((slots, chunk))
                } else {
                    misses.append(slots)
                }
            }
        }
        let plan = AssemblyPlan(
            length: tokens.ids.count, prefix: prefix.length, hits: hits.map(\.slots), selector: selector, ratio: ratio,
            layers: model.layout.layers)

        var runs = hits.map { hit in
            StoredRun(
                chunk: hit.chunk, slot: hit.slots.lowerBound, angles: angles(at: hit.slots),
                firstLayer: plan.firstStoredLayer)
        }
        if let chunk = prefix.chunk {
            runs.append(StoredRun(chunk: chunk, slot: 0, angles: angles(at: 0..<prefix.length), firstLayer: 0))
        }
        let streamer = LayerStreamer(runs: runs, codec: codec, buffer: buffer)
        streamer.request(through: 0)

        report.promptTokens = tokens.ids.count
        report.prefixTokens = prefix.length
        report.hits = hits.count
        report.misses = misses.count
        report.reusedTokens = plan.reusedTokens
        report.recomputedTokens = plan.recomputedTokens
        report.effectiveRecompute = plan.effectiveRecompute(layers: model.layout.layers)
        report.bytesLoaded = runs.reduce(0) { $0 + $1.chunk.chunk.byteCount }
        report.provenance = plan.reusedTokens == 0 || selector == .all ? .exact : .composed
        report.stages.load = watch.lap()
        return AssembledRequest(
            ids: tokens.ids, buffer: buffer, plan: plan, misses: misses, hasPrefix: prefix.chunk != nil,
            streamer: streamer)
    }

    private func angles(at slots: Range<Int>) -> RotaryAngles {
        model.rotary.angles(at: slots.map { Int32($0) })
    }

    /// A stored leading run: how many tokens it covers, and its records where there are any.
    private typealias StoredPrefix = (length: Int, chunk: LoadedChunk?)

    /// The longest stored leading run, never the whole prompt: the last token must be computed.
    private func loadPrefix(of tokens: PromptTokens) -> StoredPrefix {
        let candidates = Array(tokens.ids.dropLast())
        return trusted("a prefix record") { () throws(TesseraError) in
            guard
                let found = try store.longestPrefix(
                    fingerprint: fingerprintDigest, namespace: namespace, tokens: candidates),
                let loaded = try load(found)
            else { return nil }
            return (found.tokens.count, loaded)
        } ?? (0, nil)
    }

    /// A chunk's isolated KV, whole and verified, or nil.
    private func loadChunk(_ ids: [TokenID]) -> LoadedChunk? {
        let key = ChunkKey(fingerprint: fingerprintDigest, namespace: namespace, chunk: ids)
        return trusted("a chunk") { () throws(TesseraError) in
            guard let found = try store.lookup(key, fingerprint: fingerprintDigest, tokens: ids) else { return nil }
            return try load(found)
        }
    }

    private func load(_ chunk: StoredChunk) throws(TesseraError) -> LoadedChunk? {
        guard chunk.layout == model.layout, chunk.codec == codec.name else { return nil }
        return try store.load(chunk)
    }

    /// Turns a failure to load into a miss: an answer never fails because a cache did.
    private func trusted<R>(_ what: String, _ body: () throws(TesseraError) -> R?) -> R? {
        do throws(TesseraError) {
            return try body()
        } catch {
            log.warning("\(what) could not be loaded and is computed instead: \(error.message)")
            return nil
        }
    }

    /// Keeps what a prompt had to compute: its leading run as a prefix record, its missed contexts as chunks.
    func keepMisses(of tokens: PromptTokens, after request: AssembledRequest) {
        var wanted: [PendingRecord] = []
        if !request.hasPrefix, tokens.leading.count >= Self.shortestPrefix, tokens.leading.count < tokens.ids.count {
            wanted.append(PendingRecord(kind: .prefix, tokens: Array(tokens.leading)))
        }
        wanted += request.misses.map { PendingRecord(kind: .chunk, tokens: Array(tokens.ids[$0])) }
        do throws(TesseraError) {
            try ingest(wanted)
        } catch {
            log.warning("what this prompt computed is not kept: \(error.message)")
        }
    }

    /// The shortest leading run worth a record: shorter ones cost less to compute than to find.
    static let shortestPrefix = 8
}

extension Assembly {
    /// Checks ratios, counts and layers that a caller chose.
    ///
    /// - Parameter layers: The layers of the model.
    func validate(layers: Int) throws(TesseraError) {
        guard case .stitched(let selector, let ratio) = self else { return }
        guard ratio >= 0, ratio <= 1 else {
            throw TesseraError(.invalidInput, "a recompute ratio is between 0 and 1, not \(ratio)")
        }
        if case .firstK(let count) = selector, count < 0 {
            throw TesseraError(.invalidInput, "firstK takes a count of 0 or more, not \(count)")
        }
        // A model of one layer has none to check: there the default computes everything.
        if case .deviation(let layer) = selector, layer < 1 || layer >= max(2, layers) {
            throw TesseraError(
                .invalidInput,
                "deviation can't be measured in layer \(layer): this model has the layers 0 to \(layers - 1), and layer 0 "
                    + "does not depend on the context")
        }
    }
}
