// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraCompression
import TesseraKV
import TesseraReuse
import TesseraStore
import TesseraTestSupport
import Testing

@testable import Tessera

@Suite struct `A cold tier` {
    private func refusal(_ text: String) -> String? {
        do { _ = try ColdTier(text) } catch { return error.code == .invalidInput ? error.message : "" }
        return nil
    }

    @Test func `is a codec, a press with what it keeps, or both`() throws {
        #expect(try ColdTier("q4") == ColdTier(codec: .q4))
        #expect(try ColdTier("lagkv:60%") == ColdTier(press: "lagkv", keep: .share(0.6)))
        #expect(try ColdTier("q4+lagkv:60%") == ColdTier(codec: .q4, press: "lagkv", keep: .share(0.6)))
        #expect(
            try ColdTier("keydiff:128+zipcache") == ColdTier(codec: .zipcache, press: "keydiff", keep: .tokens(128)))
        for text in ["q4", "lagkv:60%", "q4+lagkv:60%", "zipcache+keydiff:128", "fp16+keydiff:12.5%"] {
            #expect(try ColdTier(text).label == text)
        }
        for text in [
            "", "q5", "lagkv", "q4+", "q4+q8", "lagkv:60%+keydiff:60%", "lagkv:", "lagkv:0%", "lagkv:101%", "+",
            "q4+lagkv:60%+q8",
        ] {
            #expect(refusal(text) != nil, "\(text)")
        }
        #expect(refusal("q5")?.contains("such as q4, lagkv:60% and q4+lagkv:60%") == true)
    }

    @Test func `has a press that needs nothing but what a store has`() {
        #expect(Set(ColdTier.presses).isSuperset(of: ["keydiff", "lagkv"]))
        for name in ["snapkv", "h2o", "kvzip", "expected", "compresskv", "gui-kv"] {
            let message = refusal("\(name):50%")
            #expect(message?.hasPrefix("\(name) needs the model at work") == true, "\(message ?? "none")")
            #expect(message?.contains("keydiff, lagkv") == true)
        }
        #expect(refusal("best:50%")?.contains("no press “best”") == true)
        for text in ["streamingllm:4", "lagkv:12", "q4+keydiff:1"] {
            #expect(refusal(text)?.contains("leave nothing to choose") == true, "\(text)")
        }
    }

    @Test func `is refused where it would be no smaller than the store`() async {
        func code(_ tier: ColdTier, _ codec: StoreCodec) async -> TesseraError.Code? {
            do {
                let options = ContextCacheOptions(precision: .fp32, storeCodec: codec, coldTier: tier)
                try await withSmallCache(options: options) { _ in }
            } catch { return (error as? TesseraError)?.code }
            return nil
        }
        #expect(await code(ColdTier(codec: .zipcache), .fp16) == nil)
        #expect(await code(ColdTier(press: "keydiff"), .fp16Zstd) == nil)
        #expect(await code(ColdTier(codec: .fp16), .bf16) == .invalidInput)
        #expect(await code(ColdTier(codec: .q4), .q8) == .invalidInput)
        #expect(await code(ColdTier(press: "snapkv"), .fp16) == .invalidInput)
    }
}

@Suite struct `A press over stored chunks` {
    private let layout = KVLayout(layers: 3, heads: 2, headDimension: 8)

    private func numbers(_ tokens: Int) -> [(keys: [Float], values: [Float])] {
        var random = SplitMix64(seed: 4)
        return (0..<layout.layers).map { _ in
            (random.floats(tokens * layout.width), random.floats(tokens * layout.width))
        }
    }

    private func kept(_ press: PressThinning, _ tokens: Int) throws -> [Int]? {
        let all = numbers(tokens)
        let kept = try press.kept(of: tokens, layout: layout) { all[$0] }
        #expect(kept?.count == press.count(of: tokens))
        return kept
    }

    @Test(arguments: ["keydiff", "lagkv", "random"])
    func `keeps as many as it says, first and last tokens among them, or leaves a chunk whole`(name: String) throws {
        let press = try PressThinning(name, keep: .share(0.6))
        #expect(press.name == "\(name):60%" && press.share == 0.6)
        for tokens in [1, 8, 12, 19, 25, 67, 68, 100, 300, 512] {
            guard let kept = try kept(press, tokens) else { continue }
            #expect(kept.count == tokens * 3 / 5 && kept == kept.sorted() && Set(kept).count == kept.count)
            #expect(kept.starts(with: 0..<4) && kept.suffix(8).elementsEqual(tokens - 8..<tokens))
        }
        #expect(try kept(press, 512) != nil && kept(press, 1) == nil)
        // LagKV tells tokens apart that two whole partitions follow.
        #expect(try (kept(press, 67) == nil) == (name == "lagkv"))
        #expect(try kept(PressThinning(name, keep: .tokens(300)), 300) == nil, "it would keep them all")
        #expect(try kept(PressThinning(name, keep: .tokens(299)), 300)?.count == 299)
    }

    @Test func `thins a chunk of a usual length evenly`() throws {
        for name in ["keydiff", "lagkv"] {
            let kept = try #require(try kept(PressThinning(name, keep: .share(0.5)), 512))
            #expect(kept.count == 256 && (96...160).contains(kept.count { $0 < 256 }), "\(name)")
        }
    }

    @Test func `keeps what its scores over all layers say`() throws {
        let tokens = 40
        var plan = try PressCatalog.plan(named: "keydiff", budget: .share(0.5), assets: nil)
        plan.agreement = .prompt
        let rotary = RotaryTable(dimensions: 8, base: 10_000, pairing: .halves)
        let scores = try numbers(tokens).enumerated().map { layer, numbers in
            try plan.press.scores(
                of: LayerView(
                    layer: layer, queryHeads: 2, layout: layout, rotary: rotary,
                    positions: Array(repeating: 0, count: tokens), budget: 20, segments: [],
                    keys: numbers.keys, values: numbers.values))
        }
        #expect(try kept(PressThinning("keydiff", keep: .share(0.5)), tokens) == plan.keep(scores).layers[2][0])
    }
}
