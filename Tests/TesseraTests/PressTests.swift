// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraCompression
import TesseraKV
import TesseraReuse
import TesseraStore
import TesseraTestSupport
import Testing

@testable import Tessera

@Suite struct `A press between prompt and answer` {
    private func options(
        _ press: PressPlan?, assembly: Assembly = .exact, maximum: Int = 8
    ) -> AnswerOptions {
        AnswerOptions(assembly: assembly, ungated: true, press: press, maximumTokens: maximum)
    }

    /// What could have been measured of a model.
    private static func assets(of model: ModelDescription) -> HeadAssets {
        let (layers, heads) = (model.layout.layers, model.queryHeads)
        return HeadAssets(
            weights: "\(model.weights)", queryHeads: heads,
            scores: Array(repeating: (0..<heads).map(Double.init), count: layers),
            costs: EvictionCosts(shares: [0.1], layers: Array(repeating: [1], count: layers)),
            outputErrors: Array(repeating: 1 / Double(layers), count: layers), samples: 20)
    }

    /// Those of the catalog that need neither assets nor frames.
    private static let names = PressCatalog.names.filter { !["compresskv", "gui-kv"].contains($0) }

    @Test(arguments: names) func `that keeps everything changes nothing`(_ name: String) async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 31)
            let whole = try await cache.answer(prompt, options: options(nil))
            let press = try await cache.press(named: name, budget: .share(1))
            let pressed = try await cache.answer(prompt, options: options(press))
            #expect(pressed.tokens == whole.tokens && pressed.report.pressed?.keptTokens == 92)
        }
    }

    @Test(arguments: names) func `keeps what the budget says, and the answer goes on`(_ name: String) async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 32)
            let press = try await cache.press(named: name, budget: .share(0.5))
            let answer = try await cache.answer(prompt, options: options(press))
            let report = try #require(answer.report.pressed)
            #expect(answer.tokens.count == 8)
            #expect(report.keptTokens == 46 && report.bytesAfter * 2 == report.bytesBefore)
            #expect(report.press == name && report.budget == "50 %")
        }
    }

    @Test func `works on stitched prompts, whose stored tokens it can evict too`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 33)
            try await cache.ingest(contextsOf: prompt)
            try await cache.keep(Self.assets(of: cache.model))
            for name in ["compresskv", "snapkv", "h2o", "expected", "kvzip", "keydiff"] {
                let press = try await cache.press(named: name, budget: .tokens(40))
                let answer = try await cache.answer(
                    prompt, options: options(press, assembly: .stitched(.deviation, ratio: 0.2)))
                #expect(answer.report.hits == 3 && answer.report.pressed?.keptTokens == 40)
            }
        }
    }

    /// Refuses a layer whose received attention is not that of the rows that it is said to be of: each row pays 1 in all.
    private struct Auditor: Press {
        var name: String { "auditor" }
        var needs: PressNeeds { PressNeeds(received: true) }

        func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
            let (paid, rows) = (view.received.reduce(0, +), view.queryHeads * view.receivedFrom.count)
            guard rows > 0, abs(paid - Float(rows)) < 1e-3 * Float(rows) else {
                throw TesseraError(.invalidInput, "layer \(view.layer): \(rows) rows paid \(paid)")
            }
            return TokenScores(shared: Array(repeating: 0, count: view.tokens))
        }
    }

    @Test(arguments: [Assembly.exact, .stitched(.deviation, ratio: 0.2)])
    func `is told from which tokens attention was received, in every layer`(_ assembly: Assembly) async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 37)
            try await cache.ingest(contextsOf: prompt)
            let plan = PressPlan(Auditor(), budget: .tokens(40))
            let answer = try await cache.answer(prompt, options: options(plan, assembly: assembly))
            #expect(answer.report.pressed?.keptTokens == 40)
        }
    }

    @Test func `leaves a prompt whole that has no more tokens than it would keep`() async throws {
        try await withSmallCache { cache in
            let press = try await cache.press(named: "snapkv", budget: .tokens(4096))
            let answer = try await cache.answer(randomPrompt(seed: 34), options: options(press))
            #expect(answer.report.pressed == nil && answer.tokens.count == 8)
        }
    }

    @Test func `is refused where it can't work`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 35)
            let snap = try await cache.press(named: "snapkv", budget: .share(0.5))
            let parallel = await refusal {
                try await cache.answer(prompt, options: options(snap, assembly: .parallel()))
            }
            #expect(parallel?.code == .unsupported)
            let repairing = Assembly.stitched(.deviationAttention(layer: 1, repairs: 2), ratio: 0.2)
            let repairs = await refusal { try await cache.answer(prompt, options: options(snap, assembly: repairing)) }
            #expect(repairs?.code == .invalidInput)
            let gui = try await cache.press(named: "gui-kv", budget: .share(0.5))
            let frames = await refusal { try await cache.answer(prompt, options: options(gui)) }
            #expect(frames?.code == .invalidInput && frames?.message.contains("--frames") == true)
            let small = try await cache.press(named: "snapkv", budget: .tokens(4))
            let protected = await refusal { try await cache.answer(prompt, options: options(small)) }
            #expect(protected?.code == .invalidInput && protected?.message.contains("protected") == true)
            let heads = await refusal { _ = try await cache.press(named: "compresskv", budget: .tokens(4)) }
            #expect(heads?.code == .notFound && heads?.message.contains("tessera calibrate heads") == true)
        }
    }

    @Test func `finds what was measured of its own model, and refuses another's`() async throws {
        try await withSmallCache { cache in
            let assets = Self.assets(of: cache.model)
            try await cache.keep(assets)
            #expect(try await cache.headAssets() == assets)
            let press = try await cache.press(named: "compresskv", budget: .tokens(48))
            let answer = try await cache.answer(randomPrompt(seed: 36), options: options(press))
            #expect(answer.report.pressed?.keptTokens == 48)

            let old = Array(
                String(decoding: try assets.encoded(), as: UTF8.self).replacing(
                    "\"version\" : \(HeadAssets.version)", with: "\"version\" : \(HeadAssets.version - 1)"
                ).utf8)
            try await cache.store.setAsset("heads/\(cache.model.weights.description.prefix(32))", old)
            let earlier = await refusal { _ = try await cache.press(named: "compresskv", budget: .tokens(48)) }
            #expect(earlier?.code == .unsupported && earlier?.message.contains("tessera calibrate heads") == true)
            #expect(try await cache.press(named: "snapkv", budget: .tokens(48)).name == "snapkv")

            var other = assets
            other.weights = "another"
            let refused = await refusal { try await cache.keep(other) }
            #expect(refused?.code == .invalidInput)
        }
    }

    private func refusal(_ body: () async throws -> some Any) async -> TesseraError? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error as? TesseraError
        }
    }
}

@Suite struct `Screenshots as PNG files` {
    @Test func `come out pixel by pixel`() throws {
        // 2 × 1 pixels, red and green, as zlib and PNG's filters write them.
        let bytes = try #require(
            Data(
                base64Encoded:
                    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAD0lEQVR4nGP4z8DA8J8BAAf/Af8Bf4mnAAAAAElFTkSuQmCC"))
        let frame = try Frame(png: Array(bytes), name: "two pixels")
        #expect(frame.width == 2 && frame.height == 1)
        #expect(frame.pixels == [255, 0, 0, 0, 255, 0])
    }

    @Test func `are refused where they are none, and where they are damaged`() throws {
        #expect(throws: TesseraError.self) { try Frame(png: Array("no picture".utf8), name: "text") }
        let missing = #expect(throws: TesseraError.self) { try Frame(png: "/nowhere/screen.png") }
        #expect(missing?.code == .notFound)
    }
}
