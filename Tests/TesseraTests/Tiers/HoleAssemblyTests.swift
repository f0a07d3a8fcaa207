// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraReuse
import TesseraStore
import TesseraTestSupport
import Testing

@testable import Tessera

/// Prompts that reuse chunks which lack tokens.
@Suite struct `Chunks with gaps in a prompt` {
    private static let prompt = randomPrompt(seed: 71, contexts: [40, 31, 50])

    /// Ingests the prompt's contexts and thins some of them.
    private func thin(
        _ places: [Int], _ tier: String = "keydiff:50%", in cache: ContextCache
    ) async throws -> [[Int]?] {
        let prompt = Self.prompt
        try await cache.ingest(contextsOf: prompt)
        let keys = prompt.contexts.map { cache.key(of: $0.ids) }
        let outcome = try cache.chunkStore.recompress(places.map { keys[$0] }, as: ColdTier(tier).form())
        #expect(outcome.rewritten == places.count)
        return try keys.map { try cache.chunkStore.record($0)?.kept }
    }

    /// The prompt worked out by hand: a slot for each token that there is, at its own position, stored rows put there by the
    /// codec, and the model run over the others.
    private struct ByHand {
        var tokens: PromptTokens
        /// The tokens that have a slot.
        var there: [Int]
        var buffer: KVBuffer
        /// The slots that are not stored rows.
        var computed: [Int]
        let cache: ContextCache

        /// - Parameter hides: Whether tokens that are left out have slots all the same, at positions that nobody sees.
        init(
            _ cache: ContextCache, kept: [[Int]?], recomputing picked: Set<Int> = [], room: Int = 0, hides: Bool = false
        ) throws {
            self.cache = cache
            let prompt = `Chunks with gaps in a prompt`.prompt
            tokens = try cache.promptTokens(prompt)
            var gone: Set<Int> = []
            for (slots, kept) in zip(tokens.contexts, kept) {
                guard let kept else { continue }
                gone.formUnion(Set(slots).subtracting(kept.map { slots.lowerBound + $0 }))
            }
            there = tokens.ids.indices.filter { hides || !gone.contains($0) }
            buffer = try KVBuffer(layout: cache.model.layout, capacity: there.count + room)
            buffer.setPositions(there.map { gone.contains($0) ? 1_000_000 : Int32($0) }, from: 0)
            var stored: Set<Int> = []
            for (slots, list) in zip(tokens.contexts, kept) {
                let list = list ?? Array(0..<slots.count)
                let record = try #require(try cache.chunkStore.record(cache.key(of: Array(tokens.ids[slots]))))
                let loaded = try #require(try cache.chunkStore.load(record))
                let codec = try #require(StoreCodec.codec(named: loaded.codec))
                let one = KVLayout(
                    layers: 1, heads: record.layout.heads, headDimension: record.layout.headDimension)
                let positions = list.map { Int32(slots.lowerBound + $0) }
                for layer in 0..<record.layout.layers {
                    let rows = try KVBuffer(layout: one, capacity: list.count)
                    try loaded.withLayer(layer) { (bytes) throws(TesseraError) in
                        try codec.place(
                            bytes, tokens: list.count, into: rows, layer: 0, at: 0,
                            angles: cache.model.rotary.angles(at: positions))
                    }
                    let numbers = rows.rows(0..<list.count, of: 0)
                    for (row, position) in positions.enumerated() {
                        let slot = try #require(there.firstIndex(of: Int(position)))
                        let width = record.layout.width
                        for channel in 0..<width {
                            buffer.keys(of: layer)[slot * width + channel] = numbers.keys[row * width + channel]
                            buffer.values(of: layer)[slot * width + channel] = numbers.values[row * width + channel]
                        }
                    }
                }
                stored.formUnion(positions.map { Int($0) })
            }
            let there = there
            computed = there.indices.filter {
                !gone.contains(there[$0]) && (!stored.contains(there[$0]) || picked.contains(there[$0]))
            }
        }

        func logits(trailing: Int = 1, answer: [TokenID] = []) throws -> [Float] {
            let slots = computed + answer.indices.map { there.count + $0 }
            buffer.setPositions(answer.indices.map { Int32(tokens.ids.count + $0) }, from: there.count)
            let ids = there.map { tokens.ids[$0] } + answer
            return try cache.runtime.prefill(
                PartialPrefill(
                    input: .tokens(slots.map { ids[$0] }), slots: slots, keyCount: ids.count,
                    logits: .trailing(trailing)),
                over: buffer, observer: nil
            ).logits
        }
    }

    @Test(arguments: [[0], [1], [2], [0, 2], [0, 1, 2]])
    func `are what a prefill over the same rows at the same positions gives`(places: [Int]) async throws {
        try await withSmallCache { cache in
            let kept = try await thin(places, in: cache)
            #expect(kept.map { $0?.count } == [20, 15, 25].enumerated().map { places.contains($0) ? $1 : nil })
            let found = try await cache.logits(of: Self.prompt, assembly: .stitched(.none, ratio: 0))
            let hand = try ByHand(cache, kept: kept)
            #expect(try found.logits == hand.logits())
            let hidden = try ByHand(cache, kept: kept, hides: true)
            #expect(try largestDifference(found.logits, hidden.logits()) < Invariants.kernelNoise)
            let gone = zip([20, 16, 25], 0...).reduce(0) { $0 + (places.contains($1.1) ? $1.0 : 0) }
            let report = found.report
            #expect(report.evictedTokens == gone && report.reusedTokens == 121 - gone && report.promptTokens == 141)
            #expect(report.provenance == .composed && report.hits == 3)
            #expect(report.explanation.contexts[places[0]].reason.contains("of its"))
        }
    }

    @Test func `let an answer go on behind the whole prompt`() async throws {
        try await withSmallCache { cache in
            let kept = try await thin([1], in: cache)
            let answer: [TokenID] = [40, 41, 42]
            let found = try await cache.logits(of: Self.prompt, along: answer, assembly: .stitched(.none, ratio: 0))
            let hand = try ByHand(cache, kept: kept, room: 3)
            #expect(try found.logits == hand.logits(trailing: 4, answer: answer))
            // Greedy decoding sets the positions of its own.
            let options = AnswerOptions(assembly: .stitched(.none, ratio: 0), ungated: true, maximumTokens: 4)
            let written = try await cache.answer(Self.prompt, options: options)
            var expected: [TokenID] = []
            for _ in 0..<written.tokens.count {
                let along = try ByHand(cache, kept: kept, room: expected.count).logits(answer: expected)
                expected.append(TokenID(try #require(along.indices.max { along[$0] < along[$1] })))
            }
            #expect(written.tokens == expected)
        }
    }

    @Test func `are computed anew row by row, and the rows see what is there`() async throws {
        try await withSmallCache { cache in
            let kept = try await thin([0, 2], in: cache)
            let tokens = try cache.promptTokens(Self.prompt)
            // The first three that are left of each chunk.
            let picked = zip(tokens.contexts, kept).flatMap { slots, kept in
                (kept ?? Array(0..<slots.count)).prefix(3).map { slots.lowerBound + $0 }
            }
            let first = try await cache.logits(of: Self.prompt, assembly: .stitched(.firstK(count: 3), ratio: 0))
            #expect(try first.logits == ByHand(cache, kept: kept, recomputing: Set(picked)).logits())
            // With all that are left computed, it is a prefill of a prompt that never had the others.
            let all = try await cache.logits(of: Self.prompt, assembly: .stitched(.random(seed: 1), ratio: 1))
            #expect(try all.logits == ByHand(cache, kept: kept, recomputing: Set(tokens.ids.indices)).logits())
            #expect(all.report.recomputedTokens == 76 && all.report.provenance == .composed)
        }
    }

    private static let selectors: [Selector] = [
        .deviation, .deviation(layer: 1, of: .keys, gradual: true), .deviationAttention(layer: 1),
        .deviationAttention(layer: 1, repairs: 2), .question, .random(seed: 3), .storedScore(),
        .storedScore(StoredScore(alpha: 0.5, focuses: true)),
    ]

    @Test(arguments: selectors) func `are repaired by every selector among the rows that are left`(
        selector: Selector
    ) async throws {
        try await withSmallCache { cache in
            let prompt = Self.prompt
            try await cache.ingest(contextsOf: prompt)
            // Scores of all tokens, of which those that are left count.
            for place in 1...2 {
                try await cache.ingest(chunk: prompt.contexts[place].ids, behind: [prompt.contexts[0].ids])
            }
            _ = try await thin([0, 1, 2], in: cache)
            let assembly = Assembly.stitched(selector, ratio: 0.2, variants: .isolated)
            let options = AnswerOptions(assembly: assembly, ungated: true, maximumTokens: 4)
            let report = try await cache.answer(prompt, options: options).report
            #expect(report.hits == 3 && report.evictedTokens == 61 && report.reusedTokens == 60)
            if selector.takesRatio { #expect((1...13).contains(report.recomputedTokens)) }
            #expect(report.provenance == .composed && report.misses == 0)
        }
    }

    @Test func `are computed whole where every token is to be computed`() async throws {
        try await withSmallCache { cache in
            _ = try await thin([0, 2], in: cache)
            let exact = try await cache.logits(of: Self.prompt, assembly: .exact, all: true)
            #expect(exact.report.evictedTokens == 0 && exact.report.provenance == .exact)
            let all = try await cache.logits(of: Self.prompt, assembly: .stitched(.all, ratio: 1), all: true)
            #expect(all.report.evictedTokens == 0 && all.report.hits == 1 && all.report.misses == 2)
            #expect(largestDifference(all.logits, exact.logits) < Invariants.kernelNoise)
        }
    }

    @Test func `are what they were where the press keeps all`() async throws {
        try await withSmallCache { cache in
            try await cache.ingest(contextsOf: Self.prompt)
            let assembly = Assembly.stitched(.firstK(count: 2), ratio: 0)
            let before = try await cache.logits(of: Self.prompt, assembly: assembly)
            let keys = Self.prompt.contexts.map { cache.key(of: $0.ids) }
            for tier in ["keydiff:100%", "lagkv:50%", "keydiff:50"] {
                let outcome = try cache.chunkStore.recompress(keys, as: ColdTier(tier).form())
                #expect(outcome.kept == 3 && outcome.rewritten == 0)
            }
            #expect(try await cache.logits(of: Self.prompt, assembly: assembly).logits == before.logits)
            // And in a smaller codec it is that codec's loss alone.
            #expect(try cache.chunkStore.recompress(keys, as: ColdTier("q8+lagkv:50%").form()).rewritten == 3)
            let smaller = try await cache.logits(of: Self.prompt, assembly: assembly)
            #expect(smaller.report.evictedTokens == 0 && smaller.logits != before.logits)
        }
    }

    @Test func `stand side by side too, each at its own positions`() async throws {
        try await withSmallCache { cache in
            let kept = try await thin([0, 2], in: cache)
            for assembly in [Assembly.parallel(), .parallel(temperature: 0.7, scale: 0.9)] {
                let found = try await cache.logits(of: Self.prompt, assembly: assembly)
                let layout = ParallelLayout(try cache.promptTokens(Self.prompt), behind: cache.fingerprint.recipe)
                let rows = PromptRows(positions: layout.positions, chunks: Array(zip(layout.contexts, kept)))
                #expect(rows.count == layout.ids.count - 45 && found.report.evictedTokens == 45)
                let buffer = try KVBuffer(layout: cache.model.layout, capacity: rows.count)
                buffer.setPositions(rows.positions, from: 0)
                for context in layout.contexts {
                    let record = try #require(
                        try cache.chunkStore.record(cache.key(of: Array(layout.ids[context]))))
                    let source = try #require(try await cache.source(of: record))
                    let slots = rows.slots(context)
                    for layer in 0..<cache.model.layout.layers {
                        try source.place(
                            layer, into: buffer, at: slots.lowerBound,
                            angles: cache.model.rotary.angles(at: Array(rows.positions[slots])))
                    }
                }
                let block = rows.slots(layout.block)
                let ids = rows.values(layout.ids)
                let slots = ids.indices.filter { !block.contains($0) }
                guard case .parallel(let temperature, let scale) = assembly else { return }
                let expected = try cache.runtime.prefill(
                    PartialPrefill(
                        input: .tokens(slots.map { ids[$0] }), slots: slots, keyCount: ids.count, logits: .last,
                        parallel: ParallelContexts(
                            slots: block, temperature: Float(temperature), scale: Float(scale))),
                    over: buffer, observer: nil)
                #expect(found.logits == expected.logits)
            }
        }
    }

    @Test func `leave nothing of what stood behind them in the store but what was computed alone`() async throws {
        let options = ContextCacheOptions(precision: .fp32, contextualVariants: 2)
        try await withSmallCache(options: options) { cache in
            let prompt = Self.prompt
            let store = cache.chunkStore
            let keys = prompt.contexts.map { cache.key(of: $0.ids) }
            try await cache.ingest(chunks: prompt.contexts.prefix(2).map(\.ids))
            #expect(try store.recompress(Array(keys[..<2]), as: ColdTier("keydiff:50%").form()).rewritten == 2)
            let ask = AnswerOptions(assembly: .stitched(.storedScore(), ratio: 0.2), ungated: true, maximumTokens: 2)
            let answer = try await cache.answer(prompt, options: ask)
            #expect(answer.report.evictedTokens == 36 && answer.report.misses == 1)
            #expect(try store.statistics().variants == 0)
            // The context that was missing is there now, as it would have been ingested.
            let kept = try #require(try store.record(keys[2]))
            #expect(kept.kept == nil && kept.provenance == .isolated && kept.tokens == prompt.contexts[2].ids)
            try await withSmallCache { other in
                try await other.ingest(chunks: [prompt.contexts[2].ids])
                let ingested = try #require(try other.chunkStore.record(keys[2]))
                #expect(ingested.layers.map(\.checksum) == kept.layers.map(\.checksum))
            }
            // Without gaps, variants come about.
            try store.remove(keys)
            _ = try await cache.answer(prompt, options: ask)
            #expect(try store.statistics().variants > 0)
        }
    }

    @Test func `come about in a store that is full, and serve prompts there`() async throws {
        let options = ContextCacheOptions(
            precision: .fp32, diskCap: 8 << 20, coldTier: try ColdTier("q4+keydiff:50%"))
        try await withSmallCache(options: options) { cache in
            let store = cache.chunkStore
            let chunks = (0..<140).map { randomPrompt(seed: 500 + $0, contexts: [100]).contexts[0] }
            try await cache.ingest(chunks: chunks.map(\.ids))
            #expect(try store.statistics().demoted > 0 && store.diskUsage() <= 8 << 20)
            let records = try chunks.map { try store.record(cache.key(of: $0.ids)) }
            let cold = try #require(records.firstIndex { $0?.kept != nil })
            let whole = try #require(records.firstIndex { $0 != nil && $0?.kept == nil })
            #expect(records[cold]?.codec == "q4" && records[cold]?.rows == 50)
            var prompt = randomPrompt(seed: 72, contexts: [])
            prompt.contexts = [chunks[cold], chunks[whole]]
            let assembly = Assembly.stitched(.firstK(count: 4), ratio: 0)
            let ask = AnswerOptions(assembly: assembly, ungated: true, maximumTokens: 3)
            let report = try await cache.answer(prompt, options: ask).report
            #expect(report.hits == 2 && report.evictedTokens == 50 && report.reusedTokens == 150)
            #expect(report.recomputedTokens == 8 && report.misses == 0)
        }
    }

    @Test func `are no KV for another runtime, which needs a row for each token`() async throws {
        try await withSmallCache { cache in
            _ = try await thin([1], in: cache)
            let segments = Self.prompt.contexts.map { PlanSegment.chunk($0.ids) } + [.text([5, 6])]
            let options = AnswerOptions(assembly: .stitched(.none, ratio: 0), ungated: true)
            let lease = try await cache.stitch(segments, options: options)
            #expect(lease.valid == [0..<40, 71..<121])
            let plan = try await cache.plan(segments, options: options)
            #expect(plan.chunks.map { plan.reuses($0) } == [true, false, true])
            #expect(plan.chunks[1].decision.reason.contains("tokens are left out"))
        }
    }
}

extension ContextCache {
    /// A record's layers, as assemblies read them.
    fileprivate func source(of record: StoredChunk) throws -> StoredSource? { try load(record, distrusting: []) }
}
