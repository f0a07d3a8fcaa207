// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraCompression
import TesseraKV
import TesseraTestSupport
import Testing

@testable import Tessera
@testable import TesseraBench

/// The visual fixture in the engine against PyTorch (Fixtures/training/gui/goldens.py).
@Suite struct `The visual fixture` {
    private struct Golden: Decodable {
        struct Case: Decodable {
            var frames: [[Int]]
            var texts: [[TokenID]]
            var length: Int
            var topIDs: [Int]
            var topLogits: [Float]
            var answer: [TokenID]
            var answerText: String

            enum CodingKeys: String, CodingKey {
                case frames, texts, length, answer
                case topIDs = "top_ids"
                case topLogits = "top_logits"
                case answerText = "answer_text"
            }
        }
        struct Patch: Decodable {
            var cell: Int
            var tile: Int
            var withPosition: [Float]

            enum CodingKeys: String, CodingKey {
                case cell, tile
                case withPosition = "with_position"
            }
        }
        var prompts: [Case]
        var embeddings: [Patch]
    }

    private let golden: Golden
    private let model = fixtures.appending(path: "models/gui-mini.gguf").path

    init() throws {
        golden = try JSONDecoder().decode(
            Golden.self, from: Data(contentsOf: fixtures.appending(path: "goldens/gui-mini.json")))
    }

    private func withCache(_ body: (ContextCache) async throws -> Void) async throws {
        try await withTemporaryDirectory { folder in
            try await body(
                ContextCache(
                    model: model, store: folder.appending(path: "store").path,
                    options: ContextCacheOptions(precision: .fp32)))
        }
    }

    private func frames(_ tiles: [[Int]]) throws -> [Frame] {
        let atlas = try Frame(png: fixtures.appending(path: "gui/tiles.png").path)
        let suite = try CompressionSuite.episodes(
            #"{"frames": \#(tiles), "questions": []}"#, named: "golden", atlas: atlas)
        return suite.items[0].prompt.contexts.compactMap { if case .frame(let frame) = $0 { frame } else { nil } }
    }

    /// A golden's prompt, in segments of ids.
    private func prompt(_ golden: Golden.Case) throws -> Prompt {
        var contexts: [Prompt.Segment] = []
        for (text, frame) in zip(golden.texts, try frames(golden.frames)) {
            contexts += [.tokens(text), .frame(frame)]
        }
        return Prompt(system: nil, contexts: contexts, question: .tokens(golden.texts[golden.frames.count]))
    }

    @Test func `embeds patches as PyTorch does`() async throws {
        try await withCache { cache in
            for patch in golden.embeddings {
                var tiles = Array(repeating: 0, count: 100)
                tiles[patch.cell] = patch.tile
                let embeddings = try cache.runtime.embeddings(of: frames([tiles])[0])
                let width = patch.withPosition.count
                let mine = Array(embeddings[patch.cell * width..<(patch.cell + 1) * width])
                #expect(largestDifference(mine, patch.withPosition) < 1e-4)
            }
        }
    }

    @Test func `gives PyTorch's logits and answers`() async throws {
        try await withCache { cache in
            for golden in golden.prompts {
                let prompt = try prompt(golden)
                let tokens = try cache.promptTokens(prompt)
                #expect(tokens.ids.count == golden.length)
                let logits = try await cache.logits(of: prompt, assembly: .exact).logits
                for (id, logit) in zip(golden.topIDs, golden.topLogits) { #expect(abs(logits[id] - logit) < 1e-3) }
                let answer = try await cache.answer(
                    prompt, options: AnswerOptions(assembly: .exact, maximumTokens: 32))
                #expect(answer.text == golden.answerText)
            }
        }
    }

    @Test func `is pressed by what its screens show, and answers all the same`() async throws {
        try await withCache { cache in
            let press = try await cache.press(named: "gui-kv", budget: .share(0.4))
            var right = 0
            for golden in golden.prompts {
                let answer = try await cache.answer(
                    prompt(golden), options: AnswerOptions(assembly: .exact, press: press, maximumTokens: 32))
                #expect(answer.report.pressed?.keptTokens == Double(golden.length * 2 / 5))
                if answer.text == golden.answerText { right += 1 }
            }
            #expect(right >= golden.prompts.count / 2)
        }
    }

    @Test func `can't be stitched, and sees frames of one size alone`() async throws {
        try await withCache { cache in
            let prompt = try prompt(golden.prompts[0])
            let stitched = AnswerOptions(assembly: .stitched(.deviation, ratio: 0.15), ungated: true)
            await #expect(throws: TesseraError.self) { try await cache.answer(prompt, options: stitched) }
            let small = try Frame(width: 8, height: 8, pixels: Array(repeating: 0, count: 192))
            let error = #expect(throws: TesseraError.self) { try cache.runtime.embeddings(of: small) }
            #expect(error?.message.contains("80 × 80") == true)
        }
    }

    @Test func `episodes of unknown tiles are refused by their line`() throws {
        let error = #expect(throws: TesseraError.self) { try frames([[0, 1, 2, 999_999]]) }
        #expect(error?.message.contains("line 1") == true)
        #expect(throws: TesseraError.self) { try frames([[0, 1, 2]]) }
    }
}
