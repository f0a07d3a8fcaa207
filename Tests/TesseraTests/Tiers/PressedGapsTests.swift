// SPDX-License-Identifier: Apache-2.0

import TesseraCompression
import TesseraKV
import TesseraReuse
import TesseraStore
import TesseraTestSupport
import Testing

@testable import Tessera

/// Presses, gates and leading runs where stored chunks have losses.
@Suite struct `Chunks with gaps, pressed and gated` {
    /// A cache whose store has a prompt's contexts, half of their tokens gone.
    private func withThinned(
        _ prompt: Prompt, _ body: (ContextCache) async throws -> Void
    ) async throws {
        try await withSmallCache { cache in
            try await cache.ingest(contextsOf: prompt)
            let keys = prompt.contexts.map { cache.key(of: $0.ids) }
            let outcome = try cache.chunkStore.recompress(keys, as: ColdTier("keydiff:50%").form())
            #expect(outcome.rewritten == keys.count)
            try await body(cache)
        }
    }

    private func options(_ press: PressPlan) -> AnswerOptions {
        AnswerOptions(
            assembly: .stitched(.deviation, ratio: 0.2, variants: .isolated), ungated: true, press: press,
            maximumTokens: 6)
    }

    @Test func `are repeated within the room that the whole prompt would have had`() async throws {
        try await withSmallCache { small in
            // More than half of the context: what is repeated is cut into pieces.
            let part = small.model.contextLength / 5
            let prompt = randomPrompt(seed: 81, contexts: [part, part, part])
            try await withThinned(prompt) { cache in
                let press = try await cache.press(named: "kvzip", budget: .share(0.5))
                let answer = try await cache.answer(prompt, options: options(press))
                #expect(answer.report.hits == 3 && answer.report.evictedTokens > part)
                #expect(answer.report.pressed?.press == "kvzip" && answer.report.provenance == .pressed)
            }
        }
    }

    @Test func `stay whole where no more is left than a press would keep`() async throws {
        let prompt = randomPrompt(seed: 82, contexts: [40, 31, 50])
        try await withThinned(prompt) { cache in
            let whole = try cache.promptTokens(prompt).ids.count
            let press = try await cache.press(named: "snapkv", budget: .tokens(whole - 10))
            let answer = try await cache.answer(prompt, options: options(press))
            #expect(answer.report.pressed == nil && answer.report.provenance == .composed)
            let smaller = try await cache.press(named: "snapkv", budget: .tokens(40))
            #expect(try await cache.answer(prompt, options: options(smaller)).report.pressed?.keptTokens == 40)
        }
    }

    @Test func `are computed where only what the gate has passed may be used: it passed whole ones`() async throws {
        let prompt = randomPrompt(seed: 83, contexts: [40, 31, 50])
        try await withThinned(prompt) { cache in
            let tokens = try cache.promptTokens(prompt)
            let free = await cache.find(tokens, behind: 0, for: .deviation, use: .isolated)
            #expect(free.count == 3 && free.allSatisfy { $0.obstacle == nil })
            let gated = await cache.find(tokens, behind: 0, for: .deviation, use: .isolated, leastPasses: 0)
            #expect(gated.allSatisfy { $0.obstacle?.contains("quality gate passed whole chunks") == true })
        }
    }

    @Test func `leading runs are kept without losses, whatever chunks are kept in`() async throws {
        var options = ContextCacheOptions(precision: .fp32)
        options.storeCodec = .zipcache
        try await withSmallCache(options: options) { cache in
            let prompt = randomPrompt(seed: 84, system: 40)
            let exact = AnswerOptions(assembly: .exact, maximumTokens: 6)
            let first = try await cache.answer(prompt, options: exact)
            let second = try await cache.answer(prompt, options: exact)
            #expect(first.report.prefixTokens == 0 && second.report.prefixTokens >= 40)
            #expect(first.tokens == second.tokens && second.report.provenance == .exact)
            let codecs = try cache.chunkStore.entries(.init()).map(\.codec)
            #expect(codecs == ["fp16"])
        }
    }
}
