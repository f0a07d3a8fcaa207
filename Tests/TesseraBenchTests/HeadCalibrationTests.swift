// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraCompression
import TesseraKV
import TesseraTestSupport
import Testing

@testable import Tessera
@testable import TesseraBench

/// What is measured of the fixture model's heads and layers.
@Suite(.serialized) struct HeadCalibrationTests {
    @Test func `finds the layer that the fixture model answers from, and its heads`() async throws {
        try await withFixtureCache(ContextCacheOptions(precision: .fp32)) { cache in
            var calibration = HeadCalibration()
            calibration.promptTokens = 300
            let assets = try calibration.run(Array(QualitySuite.builtIn.prefix(32)), on: cache)
            #expect(assets.weights == "\(cache.model.weights)" && assets.samples >= HeadCalibration.leastSamples)
            #expect(assets.scores.count == 8 && assets.scores.allSatisfy { $0.count == 8 })
            let costs = assets.costs.layers.map { $0[1] }
            #expect(costs.firstIndex(of: costs.max() ?? 0) == 3)
            // Two per cent of 300 tokens would not hold the window.
            #expect(assets.costs.shares == Array(calibration.shares.dropFirst()) && assets.costs.layers.count == 8)
            #expect(assets.costs.layers.allSatisfy { $0[0] > 3 * $0[5] }, "the more stays the less it costs")
            #expect(assets.strengths()[3] == 1 && assets.strengths().allSatisfy { $0 == 1 || $0 < 0.3 })
            #expect(assets.heads(4)[3].sorted() == [0, 1, 2, 3])
            #expect(abs(assets.outputErrors.reduce(0, +) - 1) < 1e-9)
            try await cache.keep(assets)
            #expect(try await cache.headAssets() == assets)
        }
    }

    @Test func `says what is missing where too few answers are right`() async throws {
        try await withFixtureCache(ContextCacheOptions(precision: .fp32)) { cache in
            let error = #expect(throws: TesseraError.self) {
                try HeadCalibration().run(Array(QualitySuite.builtIn.prefix(3)), on: cache)
            }
            #expect(error?.message.contains("--qa") == true)
        }
    }

    @Test func `eviction of nothing costs nothing`() async throws {
        try await withFixtureCache(ContextCacheOptions(precision: .fp32)) { cache in
            let question = QualitySuite.builtIn[0]
            let needle = try #require(
                try AnsweredNeedle(question.prompt, of: question, maximum: 48, overlap: 0.5, on: cache))
            let all = PressPlan(CompressKVPress(heads: needle.scores.map { bestHeads(4, of: $0) }), budget: .share(1))
            var few = all
            few.budget = .tokens(20)
            let none = try EvictionCost(of: needle, [all, few], published: all, on: cache.runtime)
            #expect(none.answer.allSatisfy { $0.count == 2 && $0[0] < 1e-6 } && none.output.allSatisfy { $0 < 1e-4 })
            #expect(none.answer[3][1] > 0.1)
            let some = try EvictionCost(of: needle, [], published: few, on: cache.runtime)
            #expect(some.answer.allSatisfy(\.isEmpty) && some.output.allSatisfy { $0 > 0 })
        }
    }

    @Test func `a haystack holds the question's contexts in their order among others, each once`() async throws {
        try await withFixtureCache(ContextCacheOptions(precision: .fp32)) { cache in
            let questions = Array(QualitySuite.builtIn.prefix(12))
            let haystack = Haystack(questions, tokens: 900, tokenizer: cache.runtime.tokenizer)
            for (number, question) in questions.enumerated() {
                let prompt = haystack.prompt(of: number)
                let own = question.prompt.contexts
                #expect(prompt.contexts.filter(own.contains) == own)
                for (index, context) in prompt.contexts.enumerated() {
                    #expect(prompt.contexts.firstIndex(of: context) == index)
                }
                #expect(prompt.contexts.count > question.contexts.count)
                #expect(prompt.contexts == haystack.prompt(of: number).contexts)
                let count = try cache.promptTokens(prompt).ids.count
                #expect(count >= 900 && count < 1200)
            }
            let alone = Haystack([questions[0]], tokens: 900, tokenizer: cache.runtime.tokenizer)
            #expect(alone.prompt(of: 0).contexts == questions[0].prompt.contexts)
        }
    }
}
