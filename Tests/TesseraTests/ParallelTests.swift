// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraTestSupport
import Testing

@testable import Tessera

struct `parallel contexts` {
    private let noise: Float = 2e-4

    @Test(arguments: 1...3 as ClosedRange<UInt64>, [(1.0, 1.0), (0.8, 0.9), (1.2, 0.7)])
    func `invariant 5: the order of contexts changes nothing but rounding`(
        seed: UInt64, settings: (Double, Double)
    ) async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: seed, contexts: [24, 31, 17])
            var turned = prompt
            turned.contexts = [prompt.contexts[2], prompt.contexts[0], prompt.contexts[1]]
            let assembly = Assembly.parallel(temperature: settings.0, scale: settings.1)
            let (a, b) = (
                try await cache.logits(of: prompt, assembly: assembly),
                try await cache.logits(of: turned, assembly: assembly)
            )
            #expect(largestDifference(a.logits, b.logits) < noise)
        }
    }

    @Test func `invariant 5: one context behind the same prefix is prefix reuse`() async throws {
        try await withSmallCache { cache in
            let recipe = cache.fingerprint.recipe
            let prompt = Prompt(
                system: .tokens(recipe), contexts: [randomPrompt(seed: 4, contexts: [40]).contexts[0]],
                question: randomPrompt(seed: 5).question)
            let parallel = try await cache.logits(of: prompt, assembly: .parallel())
            let exact = try await cache.logits(of: prompt, assembly: .exact)
            #expect(largestDifference(parallel.logits, exact.logits) < Invariants.halfRounding)
            #expect(parallel.report.provenance == .composed && parallel.report.reusedTokens == 40)
        }
    }

    @Test func `temperature and scale change what the question reads`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 6)
            let plain = try await cache.logits(of: prompt, assembly: .parallel()).logits
            for assembly in [Assembly.parallel(temperature: 0.6), .parallel(scale: 0.6)] {
                #expect(largestDifference(try await cache.logits(of: prompt, assembly: assembly).logits, plain) > 1e-3)
            }
        }
    }

    @Test func `an answer goes on behind the longest context, and its misses are kept`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 7)
            let options = AnswerOptions(
                assembly: .parallel(temperature: 0.9, scale: 0.9), ungated: true, maximumTokens: 6)
            let first = try await cache.answer(prompt, options: options)
            #expect(first.report.misses == 3 && first.report.hits == 0)
            let second = try await cache.answer(prompt, options: options)
            #expect(second.report.misses == 0 && second.report.hits == 3)
            #expect(first.tokens == second.tokens)
            #expect(second.report.temperature == 0.9 && second.report.scale == 0.9)
            // Along the answer the same distributions follow, computed in one go.
            let along = try await cache.logits(
                of: prompt, along: second.tokens, assembly: .parallel(temperature: 0.9, scale: 0.9))
            let vocabulary = cache.model.vocabulary
            let best = stride(from: 0, to: second.tokens.count * vocabulary, by: vocabulary).map { row in
                TokenID((0..<vocabulary).max { along.logits[row + $0] < along.logits[row + $1] }!)
            }
            #expect(best == second.tokens)
        }
    }

    @Test func `contexts that stand side by side may together exceed the model's context`() async throws {
        try await withSmallCache { cache in
            let length = cache.model.contextLength / 2
            let prompt = randomPrompt(seed: 8, contexts: [length, length, length])
            let report = try await cache.logits(of: prompt, assembly: .parallel()).report
            #expect(report.promptTokens > cache.model.contextLength)
            await #expect(throws: TesseraError.self) {
                try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0))
            }
        }
    }

    @Test func `no context at all is a plain prompt`() async throws {
        try await withSmallCache { cache in
            let prompt = Prompt(
                system: .tokens(cache.fingerprint.recipe), contexts: [], question: randomPrompt(seed: 9).question)
            let parallel = try await cache.logits(of: prompt, assembly: .parallel(temperature: 0.5))
            let exact = try await cache.logits(of: prompt, assembly: .exact)
            #expect(largestDifference(parallel.logits, exact.logits) < noise)
        }
    }
}

struct `the layout of parallel contexts` {
    private func tokens(_ ids: [TokenID], _ contexts: [Range<Int>]) -> PromptTokens {
        PromptTokens(ids: ids, contexts: contexts)
    }

    @Test func `begins with the recipe, shares positions, and goes on behind the longest context`() {
        // 1 is the recipe; 7 8 the system text; then contexts of 2 and 3 tokens; 9 the question.
        let layout = ParallelLayout(tokens([1, 7, 8, 20, 21, 30, 31, 32, 9], [3..<5, 5..<8]), behind: [1])
        #expect(layout.ids == [1, 20, 21, 30, 31, 32, 7, 8, 9])
        #expect(layout.contexts == [1..<3, 3..<6] && layout.block == 1..<6)
        #expect(layout.positions == [0, 1, 2, 1, 2, 3, 4, 5, 6] && layout.nextPosition == 7)
    }

    @Test func `a system text that is the recipe stays in front`() {
        let layout = ParallelLayout(tokens([1, 7, 20, 9], [2..<3]), behind: [1, 7])
        #expect(layout.ids == [1, 7, 20, 9] && layout.positions == [0, 1, 2, 3])
    }

    @Test func `the beginning of the sequence stands there once, whatever the recipe adds to it`() {
        let layout = ParallelLayout(tokens([1, 7, 20, 9], [2..<3]), behind: [1, 5])
        #expect(layout.ids == [1, 5, 20, 7, 9])
    }

    @Test func `without contexts all follows the recipe`() {
        let layout = ParallelLayout(tokens([1, 7, 9], []), behind: [1])
        #expect(layout.ids == [1, 7, 9] && layout.positions == [0, 1, 2] && layout.block.isEmpty)
    }
}
