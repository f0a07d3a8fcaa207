// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraReuse
import TesseraTestSupport
import Testing

@testable import Tessera

struct `contextual variants` {
    @Test func `a chunk in its old place again is reused as it is and equals a full prefill`() async throws {
        try await withSmallCache { cache in
            let prompt = Prompt(
                system: .tokens(cache.fingerprint.recipe), contexts: randomPrompt(seed: 41).contexts,
                question: randomPrompt(seed: 42).question)
            let chunks = prompt.contexts.map(\.ids)
            try await cache.ingest(chunks: [chunks[0]])
            #expect(try await cache.ingest(chunk: chunks[1], behind: [chunks[0]]))
            #expect(try await cache.ingest(chunk: chunks[2], behind: [chunks[0], chunks[1]]))
            #expect(try await !cache.ingest(chunk: chunks[1], behind: [chunks[0]]), "it is there already")

            let stitched = try await cache.logits(of: prompt, assembly: .stitched(.storedScore(), ratio: 0.3))
            #expect(stitched.report.hits == 3 && stitched.report.contextualHits == 2)
            #expect(stitched.report.recomputedTokens == 0, "β′ is 1 for all of them")
            let exact = try await cache.logits(of: prompt, assembly: .exact)
            #expect(largestDifference(stitched.logits, exact.logits) < Invariants.halfRounding)
            let decisions = stitched.report.explanation.contexts
            #expect(decisions.map(\.source) == [.isolated, .contextual, .contextual])
            #expect(decisions.allSatisfy { $0.overlap == 1 && $0.overhead == 0 })
        }
    }

    @Test func `scores pick tokens, and a chunk that has none is repaired by deviation and said so`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 43, contexts: [20, 30, 40])
            let other = randomPrompt(seed: 44).contexts[0].ids
            try await cache.ingest(contextsOf: prompt)
            try await cache.ingest(chunk: prompt.contexts[1].ids, behind: [other])
            let report = try await cache.logits(of: prompt, assembly: .stitched(.storedScore(), ratio: 0.2)).report
            // The first chunk stands in front, as it was encoded; the last one has no scores.
            #expect(report.unscoredHits == 1 && report.hits == 3)
            #expect(report.explanation.contexts[1].recomputed == 6, "a fifth of the 30 that have scores")
            #expect(report.recomputedTokens == 14, "and of the 40 that have none")
            #expect(report.provenance == .composed)
        }
    }

    @Test func `isolated KV alone is used where that is wanted`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 45)
            try await cache.ingest(contextsOf: prompt)
            let chunks = prompt.contexts.map(\.ids)
            try await cache.ingest(chunk: chunks[1], behind: [chunks[0]])
            let best = try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0)).report
            let isolated = try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0, variants: .isolated))
                .report
            #expect(best.contextualHits == 1 && isolated.contextualHits == 0)
        }
    }

    @Test func `neighbours that are computed once for several chunks change nothing`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 49)
            let runs = [UInt64(50), 51].map { randomPrompt(seed: $0).contexts.map(\.ids) }
            try await cache.hold(prompt, neighbours: runs)
            let together = await cache.heldChunks
            for context in prompt.contexts {
                let key = cache.key(of: context.ids)
                let single = Prompt(system: nil, contexts: [context], question: prompt.question)
                for (number, run) in runs.enumerated() {
                    try await cache.hold(single, neighbours: [run])
                    let alone = try #require(await cache.heldChunks[key]?.last)
                    let shared = try #require(together[key])[number + 1]
                    #expect(shared.behind == alone.behind)
                    #expect(largestDifference(halves(shared), halves(alone)) < Invariants.halfRounding)
                    #expect(largestDifference(shared.statistics?.peaks ?? [], alone.statistics?.peaks ?? [1]) < 1e-4)
                }
            }
        }
    }

    /// All numbers of a chunk's records, as the fp16 codec writes them.
    private func halves(_ chunk: EncodedChunk) -> [Float] {
        chunk.layers.flatMap { record in
            stride(from: 0, to: record.count - 1, by: 2).map {
                Float(Float16(bitPattern: UInt16(record[$0]) | UInt16(record[$0 + 1]) << 8))
            }
        }
    }

    @Test func `a variant whose neighbours are gone is used only where that is wanted`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 47)
            try await cache.ingest(contextsOf: prompt)
            let stranger = randomPrompt(seed: 48).contexts[0].ids
            try await cache.ingest(chunk: prompt.contexts[1].ids, behind: [stranger])
            func hits(_ use: VariantUse) async throws -> Int {
                try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0, variants: use)).report
                    .contextualHits
            }
            #expect(try await hits(.best) == 0)
            #expect(try await hits(.contextual) == 1)
        }
    }

    @Test func `a request keeps its misses behind what stood before them, as many as are wanted`() async throws {
        let options = ContextCacheOptions(precision: .fp32, contextualVariants: 1)
        try await withSmallCache(options: options) { cache in
            let prompt = randomPrompt(seed: 46)
            let answer = AnswerOptions(
                assembly: .stitched(.storedScore(), ratio: 0.2), ungated: true, maximumTokens: 2)
            #expect(try await cache.answer(prompt, options: answer).report.misses == 3)
            let again = try await cache.answer(prompt, options: answer).report
            #expect(again.hits == 3 && again.contextualHits == 2 && again.recomputedTokens == 0)
            var turned = prompt
            turned.contexts.reverse()
            _ = try await cache.answer(turned, options: answer)
            let chunk = prompt.contexts[1].ids
            let known = await cache.variants(of: cache.key(of: chunk), tokens: chunk)
            #expect(known.count == 1, "the one that fits no longer made room")
        }
    }

    @Test func `what is worth least leaves a budget, and the rest is still found`() async throws {
        let perChunk = try await withSmallCache { $0.bytesPerToken * 40 }
        let options = ContextCacheOptions(precision: .fp32, chunkBudget: 4 * perChunk)
        try await withSmallCache(options: options) { cache in
            let chunks = (0..<8).map { randomPrompt(seed: 100 + UInt64($0), contexts: [40]).contexts[0] }
            for chunk in chunks { try await cache.ingest(chunks: [chunk.ids]) }
            var hits = 0
            for chunk in chunks {
                let prompt = Prompt(system: nil, contexts: [chunk], question: chunk)
                hits += try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0)).report.hits
            }
            #expect((3...4).contains(hits), "room is made for a record and what it is noted with")
        }
    }

    @Test func `a budget counts what an earlier process kept`() async throws {
        try await withTemporaryDirectory { folder in
            let store = folder.appendingPathComponent("store").path
            let chunks = (0..<8).map { randomPrompt(seed: 200 + UInt64($0), contexts: [40]).contexts[0].ids }
            var cache = try ContextCache(model: smallModel, store: store, options: .exactArithmetic())
            try await cache.ingest(chunks: Array(chunks.prefix(4)))
            let budget = 4 * 40 * cache.bytesPerToken
            await cache.close()
            cache = try ContextCache(
                model: smallModel, store: store, options: ContextCacheOptions(precision: .fp32, chunkBudget: budget))
            try await cache.ingest(chunks: Array(chunks.suffix(4)))
            var kept = 0
            for chunk in chunks {
                let prompt = Prompt(system: nil, contexts: [.tokens(chunk)], question: .tokens(chunk))
                kept += try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0)).report.hits
            }
            #expect((3...4).contains(kept))
            await cache.close()
        }
    }

    @Test func `what requests see of a chunk becomes its scores, and outlives the process`() async throws {
        try await withTemporaryDirectory { folder in
            let store = folder.appendingPathComponent("store").path
            let options = ContextCacheOptions(precision: .fp32, scorePasses: 2)
            let cache = try ContextCache(model: smallModel, store: store, options: options)
            let prompt = randomPrompt(seed: 47)
            let answer = AnswerOptions(
                assembly: .stitched(.storedScore(), ratio: 0.2), ungated: true, maximumTokens: 1)
            let first = try await cache.answer(prompt, options: answer).report
            #expect(first.misses == 3 && first.capturedTokenLayers > 0)
            let second = try await cache.answer(prompt, options: answer).report
            #expect(second.hits == 3 && second.unscoredHits == 0 && second.contextualHits == 0)
            #expect(second.capturedTokenLayers > 0)
            #expect(
                try await cache.answer(prompt, options: answer).report.capturedTokenLayers == 0, "seen often enough")
            await cache.close()
            let again = try ContextCache(model: smallModel, store: store, options: options)
            #expect(try await again.answer(prompt, options: answer).report.unscoredHits == 0)
            let chunk = prompt.contexts[1].ids
            #expect(await again.scoreNote(of: again.key(of: chunk), tokens: chunk.count)?.passes == 2)
            await again.close()
        }
    }

    @Test func `statistics survive their coding, and damaged bytes are none`() {
        let statistics = ChunkStatistics(
            neighbourTokens: [3, 5], inter: [0.25, 0.5], intra: 1.5, scores: [0.1, 0.2, 0.3], peaks: [1, 0.5, 0.25])
        let bytes = statistics.encoded
        #expect(ChunkStatistics(bytes) == statistics)
        for damaged in [[], Array(bytes.dropLast()), [9] + bytes.dropFirst(), bytes + [0]] {
            #expect(ChunkStatistics(damaged) == nil)
        }
        let note = ScoreNote(passes: 3, statistics: statistics)
        #expect(ScoreNote(note.encoded, tokens: 3) == note)
        #expect(ScoreNote(note.encoded, tokens: 4) == nil && ScoreNote([], tokens: 0) == nil)
    }
}

struct `what leaves the shelf` {
    private func key(_ number: TokenID) -> ChunkKey {
        ChunkKey(fingerprint: Digest256(of: [1]), namespace: "", chunk: [number])
    }

    @Test func `is what was used least and fixed dearest, and nothing more than there is need for`() {
        var shelf = VariantShelf()
        for number in 0..<4 as Range<TokenID> { shelf.add(key(number), bytes: 100) }
        for _ in 0..<3 { shelf.use(key(0), overhead: 0.1) }
        for _ in 0..<3 { shelf.use(key(1), overhead: 1) }
        #expect(shelf.victims(cap: 400, room: 0).isEmpty)
        #expect(shelf.victims(cap: 400, room: 100) == [key(2)])
        #expect(shelf.victims(cap: 400, room: 250) == [key(2), key(3), key(1)])
        shelf.use(key(9), overhead: 0.1)
        #expect(shelf.victims(cap: 400, room: 500).count == 4, "what is not on the shelf can't leave it")
        shelf.forget([key(2)])
        #expect(shelf.bytes == 300 && shelf.victims(cap: 400, room: 100).isEmpty)
    }
}
