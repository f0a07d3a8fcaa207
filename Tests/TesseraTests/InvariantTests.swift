// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraReuse
import TesseraStore
import TesseraTestSupport
import Testing

@testable import Tessera

/// The invariants of the design, each over random prompts.
struct Invariants {
    /// What summing in another order may change, in fp32.
    static let kernelNoise: Float = 2e-4
    /// What rounding the prefix's or chunk's KV to fp16 may change.
    static let halfRounding: Float = 2e-2

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `1: recomputing all equals a full prefill to kernel noise`(seed: UInt64) async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: seed)
            let exact = try await cache.logits(of: prompt, assembly: .exact, all: true)
            try await cache.ingest(contextsOf: prompt)
            let all = try await cache.logits(of: prompt, assembly: .stitched(.all, ratio: 1), all: true)
            #expect(all.report.hits == 3 && all.report.effectiveRecompute == 1)
            #expect(largestDifference(all.logits, exact.logits) < Self.kernelNoise)
        }
    }

    @Test(arguments: [Recipe.beginning, .text("Some words in front.")])
    func `1: one chunk right behind the recipe's prefix equals prefix caching`(recipe: Recipe) async throws {
        try await withSmallCache(options: .exactArithmetic(recipe: recipe)) { cache in
            let prefix = cache.fingerprint.recipe
            var prompt = randomPrompt(seed: 5, system: 0, contexts: [40])
            // The recipe's own tokens stand in front; the beginning of the sequence is among them.
            prompt.system = .tokens(prefix)
            try await cache.ingest(contextsOf: prompt)
            let stitched = try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0))
            #expect(stitched.report.hits == 1 && stitched.report.effectiveRecompute == 0)

            try await cache.ingest([PendingRecord(kind: .prefix, tokens: prefix + prompt.contexts[0].ids)])
            let cached = try await cache.logits(of: prompt, assembly: .exact)
            #expect(cached.report.prefixTokens == prefix.count + 40)
            // Not to kernel noise: the prefix record holds the recipe's own tokens in fp16 too.
            #expect(largestDifference(stitched.logits, cached.logits) < Self.halfRounding)
        }
    }

    @Test func `2: a stored prefix changes an exact result by no more than fp16 rounding`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 6, system: 30)
            let fresh = try await cache.logits(of: prompt, assembly: .exact)
            try await cache.ingest(system: prompt.system!)
            let reused = try await cache.logits(of: prompt, assembly: .exact)
            #expect(fresh.report.prefixTokens == 0 && reused.report.prefixTokens >= 30)
            #expect(reused.report.provenance == .exact)
            #expect(largestDifference(fresh.logits, reused.logits) < Self.halfRounding)
        }
    }

    @Test func `2: the order of ingest changes nothing`() async throws {
        let prompt = randomPrompt(seed: 7)
        var results: [[Float]] = []
        for order in [[0, 1, 2], [2, 0, 1]] {
            results.append(
                try await withSmallCache { cache in
                    for index in order { try await cache.ingest(chunks: [prompt.contexts[index].ids]) }
                    return try await cache.logits(of: prompt, assembly: .stitched(.deviation, ratio: 0.3)).logits
                })
        }
        #expect(results[0] == results[1])
    }

    @Test func `3: in layer 0 stored KV equals fresh KV to fp16 rounding, in layer 1 it does not`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 8)
            try await cache.ingest(contextsOf: prompt)
            let (stored, fresh, context) = try await cache.buffers(of: prompt)
            for layer in 0...1 {
                let (a, b) = (stored.rows(context, of: layer), fresh.rows(context, of: layer))
                let scale = b.keys.map(abs).max() ?? 0
                let difference = max(largestDifference(a.keys, b.keys), largestDifference(a.values, b.values))
                if layer == 0 {
                    #expect(difference <= scale * 0x1p-10)
                } else {
                    #expect(difference > scale * 0x1p-6)
                }
            }
        }
    }

    @Test(arguments: [
        Assembly.exact, .stitched(.none, ratio: 0), .stitched(.firstK(count: 4), ratio: 0),
        .stitched(.random(seed: 3), ratio: 0.4), .stitched(.all, ratio: 1),
        .stitched(.storedScore(StoredScore(alpha: 1)), ratio: 0),
    ])
    func `4: perturbing a token changes no output at lower positions`(assembly: Assembly) async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 9)
            var inQuestion = prompt
            inQuestion.question = prompt.question.changing(4)
            var inContext = prompt
            inContext.contexts[1] = prompt.contexts[1].changing(13)
            let tokens = try cache.promptTokens(prompt)
            let changes = [
                (inQuestion, tokens.contexts[2].upperBound + 4), (inContext, tokens.contexts[1].lowerBound + 13),
            ]

            for each in [prompt, inQuestion, inContext] { try await cache.ingest(contextsOf: each) }
            let before = try await cache.logits(of: prompt, assembly: assembly, all: true)
            for (changed, position) in changes {
                let after = try await cache.logits(of: changed, assembly: assembly, all: true)
                #expect(before.slots == after.slots)
                let lower = before.slots.count { $0 < position } * cache.model.vocabulary
                #expect(
                    largestDifference(Array(before.logits[..<lower]), Array(after.logits[..<lower])) < Self.kernelNoise)
                #expect(largestDifference(before.logits, after.logits) > 0.01)
            }
        }
    }

    @Test(arguments: [Assembly.parallel(), .parallel(temperature: 0.8, scale: 0.9)])
    func `4: perturbing the question changes nothing in front of it, contexts side by side`(
        assembly: Assembly
    ) async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 12)
            var changed = prompt
            changed.question = prompt.question.changing(4)
            let (before, after) = (
                try await cache.logits(of: prompt, assembly: assembly, all: true),
                try await cache.logits(of: changed, assembly: assembly, all: true)
            )
            let lower = (before.slots.count - prompt.question.ids.count + 4) * cache.model.vocabulary
            #expect(
                largestDifference(Array(before.logits[..<lower]), Array(after.logits[..<lower])) < Self.kernelNoise)
            #expect(largestDifference(before.logits, after.logits) > 0.01)
        }
    }

    @Test(arguments: [
        Selector.deviation, .deviation(layer: 1, of: .keys), .deviation(layer: 1, gradual: true),
        .deviationAttention(layer: 1), .question, .storedScore(), .random(seed: 2),
    ]) func `1: a ratio of 1 recomputes all, whatever selects, and equals a full prefill`(selector: Selector)
        async throws
    {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 13)
            try await cache.ingest(contextsOf: prompt)
            let exact = try await cache.logits(of: prompt, assembly: .exact, all: true)
            let all = try await cache.logits(of: prompt, assembly: .stitched(selector, ratio: 1), all: true)
            #expect(all.report.effectiveRecompute == 1)
            #expect(largestDifference(all.logits, exact.logits) < Self.kernelNoise)
        }
    }

    @Test(arguments: [
        Selector.deviation, .deviation(layer: 1, of: .keys), .deviation(layer: 1, gradual: true),
        .deviationAttention(layer: 1, repairs: 2), .question, .random(seed: 2),
    ]) func `1: every selector computes what its report says, and is composed`(selector: Selector) async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 14, contexts: [24, 31, 45])
            try await cache.ingest(contextsOf: prompt)
            let assembly = Assembly.stitched(selector, ratio: 0.2)
            let (logits, _, report) = try await cache.logits(of: prompt, assembly: assembly)
            #expect(logits.allSatisfy { $0.isFinite })
            #expect(report.provenance == .composed && report.hits == 3)
            // With two layers, gradual filtering has one stage.
            #expect(report.recomputedTokens == 20)
            #expect((0.2..<0.7).contains(report.effectiveRecompute))
            let options = AnswerOptions(assembly: assembly, ungated: true, maximumTokens: 5)
            let answer = try await cache.answer(prompt, options: options)
            if case .deviationAttention(_, let repairs) = selector {
                #expect(answer.report.repairedTokens == repairs * 3, "before the first two tokens nothing was read yet")
            }
        }
    }

    @Test func `6: another recipe, namespace or precision finds nothing`() async throws {
        try await withTemporaryDirectory { folder in
            let store = folder.appendingPathComponent("store").path
            let prompt = randomPrompt(seed: 10)
            let found = try await [
                hits(of: prompt, in: store, .exactArithmetic(), ingests: true),
                hits(of: prompt, in: store, .exactArithmetic(recipe: .none)),
                hits(of: prompt, in: store, .exactArithmetic(namespace: "other")),
                hits(of: prompt, in: store, ContextCacheOptions(precision: .automatic)),
                hits(of: prompt, in: store, .exactArithmetic()),
            ]
            #expect(found == [3, 0, 0, hasBF16 ? 0 : 3, 3])
        }
    }

    /// How many of a prompt's contexts a cache with these options finds in a store.
    private func hits(
        of prompt: Prompt, in store: String, _ options: ContextCacheOptions, ingests: Bool = false
    ) async throws -> Int {
        let cache = try ContextCache(model: smallModel, store: store, options: options)
        if ingests { try await cache.ingest(contextsOf: prompt) }
        let hits = try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0)).report.hits
        await cache.close()
        return hits
    }
}

extension ContextCache {
    /// The buffers of a prompt with its chunks as stored and with everything fresh, and the slots of its last context.
    func buffers(of prompt: Prompt) throws -> (stored: KVBuffer, fresh: KVBuffer, context: Range<Int>) {
        let tokens = try promptTokens(prompt)
        let buffers = try [Assembly.stitched(.none, ratio: 0), .exact].map { assembly in
            var report = ReuseReport(assembly)
            let request = try assemble(tokens, as: assembly, room: 0, report: &report)
            _ = try request.prefill(runtime, logits: .last, report: &report)
            return request.buffer
        }
        return (buffers[0], buffers[1], tokens.contexts[2])
    }
}
