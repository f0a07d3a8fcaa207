// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraCompression
import TesseraKV
import TesseraTestSupport
import Testing

@testable import Tessera
@testable import TesseraBench

/// The compression bench on the fixture model, with a handful of questions.
@Suite(.serialized) struct CompressionBenchTests {
    private var suite: CompressionSuite {
        get throws {
            let file = fixtures.appendingPathComponent("qa/long.jsonl")
            let text = try String(contentsOf: file, encoding: .utf8)
            return try CompressionSuite.texts(
                text.split(separator: "\n").prefix(1).joined(), named: "long.jsonl")
        }
    }

    private var snapKV: SnapKVPress { SnapKVPress() }

    @Test(arguments: [true, false]) func `keeping all changes nothing, and every figure is filled in`(
        questionKnown: Bool
    ) async throws {
        try await withFixtureCache(ContextCacheOptions(precision: .fp32)) { cache in
            var report = CompressionReport()
            let methods = [
                CompressionMethod(PressPlan(snapKV, budget: .share(1))),
                CompressionMethod(PressPlan(snapKV, budget: .share(0.3))),
                CompressionMethod(HalfCodec(.fp16)), CompressionMethod(Q4Codec(), name: "four bits"),
            ]
            try await CompressionBench(suite: "text", methods, questionKnown: questionKnown)
                .run(suite, on: [cache], into: &report)
            let (whole, all, some) = (report.results[0], report.results[1], report.results[2])
            #expect(whole.method == "whole" && whole.klMean == 0 && whole.ratioToFP16 == 1)
            #expect(all.klMean < 1e-9 && all.ratioToFP16 == 1 && all.attentionSaved == 0 && all.decodeSpeed == nil)
            #expect(all.exactMatch == whole.exactMatch && all.loss.points == 0)
            #expect(some.klMean > all.klMean && abs(some.ratioToFP16 - 0.3) < 0.01 && some.budget == "30 %")
            #expect(abs(some.attentionSaved - 0.7) < 0.01 && (some.decodeSpeed ?? 0) > 0)
            let (half, four) = (report.results[3], report.results[4])
            #expect(half.codec == "fp16" && half.budget == nil && half.klMean < 1e-5 && half.ratioToFP16 == 1)
            #expect(four.codec == "four bits" && four.ratioToFP16 < 0.32 && four.klMean > half.klMean)
            #expect(report.results.allSatisfy { $0.questionKnown == questionKnown && $0.suite == "text" })
            #expect(report.suites[0].prompts == 1 && report.suites[0].promptTokens[0] > 1000)
        }
    }

    @Test func `a press sees its own window, whatever others of the bench look from`() async throws {
        try await withFixtureCache(ContextCacheOptions(precision: .fp32)) { cache in
            let tokens = try cache.promptTokens(QualitySuite.builtIn[0].prompt)
            let plan = PressPlan(SnapKVPress(window: 4), budget: .share(0.2))
            func kept(_ needs: PressNeeds) throws -> KeptTokens {
                try ComputedPrompt(tokens, length: tokens.ids.count, needs: needs, room: 1, on: cache.runtime)
                    .kept(by: plan)
            }
            #expect(try kept(PressNeeds(window: 24)) == kept(plan.press.needs))
        }
    }

    @Test func `the report is a page, a drawing and JSON of the fields that are promised`() async throws {
        try await withFixtureCache(ContextCacheOptions(precision: .fp32)) { cache in
            var report = CompressionReport()
            let methods = [
                CompressionMethod(PressPlan(snapKV, budget: .share(0.3), name: "gui-kv")),
                CompressionMethod(PressPlan(snapKV, budget: .share(0.3))),
            ]
            try await CompressionBench(suite: "a <suite>", methods, questionKnown: true)
                .run(suite, on: [cache], into: &report)
            report.recompute = try RecomputeAgreement().run(suite, [.fp16, .q8, .q4], on: cache)
            report.codecs = try CodecBench.small.run([.q8])
            #expect(report.comparisons.map(\.than) == ["snapkv"] && report.comparisons[0].ahead.points == 0)
            let page = CompressionPage(report)
            #expect(page.html.contains("<svg") && !page.html.contains("http") && page.html.contains("a &lt;suite&gt;"))
            #expect(page.html.contains("Selective recompute") && page.html.contains("memcpy"))
            #expect(page.svg.hasPrefix("<svg xmlns"))
            // Each group of plots has the key of what it draws, in its colours: the first series is the first of the key.
            #expect(!page.svg.contains(">whole<") && page.svg.contains(">gui-kv<") && page.svg.contains(">snapkv<"))
            #expect(page.svg.ranges(of: Plot.stroke(0)).count == 3 && page.svg.ranges(of: Plot.stroke(1)).count == 3)
            let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(report)) as? [String: Any]
            let results = try #require(json?["results"] as? [[String: Any]])
            for key in [
                "method", "questionKnown", "exactMatch", "stepAccuracy", "klMean", "klP95", "bytesPerToken",
                "ratioToFP16",
            ] { #expect(results.allSatisfy { $0[key] != nil }, "\(key)") }
            #expect(results[1]["budget"] != nil)
        }
    }

    @Test func `selective recompute picks the same tokens over fp16, nearly the same over q8 and q4`() async throws {
        try await withFixtureCache(ContextCacheOptions(precision: .fp32)) { cache in
            let found = try RecomputeAgreement().run(suite, [.fp16, .q8, .q4], on: cache)
            #expect(found.map(\.codec) == ["fp16", "q8", "q4"] && found.allSatisfy { $0.prompts == 1 })
            #expect(found[0].sameTokens == 1)
            #expect(found[1].sameTokens >= 0.9 && found[2].sameTokens >= 0.9)
            #expect(found[1].sameTokens >= found[2].sameTokens)
        }
    }

    @Test func `a suite without questions, and one that the context has no room for, are refused`() async throws {
        try await withFixtureCache(ContextCacheOptions(precision: .fp32)) { cache in
            let bench = CompressionBench(suite: "text", [], questionKnown: true)
            await #expect(throws: TesseraError.self) {
                var report = CompressionReport()
                try await bench.run(CompressionSuite(items: []), on: [cache], into: &report)
            }
            var long = try suite
            long.items[0].prompt.contexts += long.items[0].prompt.contexts
            let tooLong = long
            let error = await #expect(throws: TesseraError.self) {
                var report = CompressionReport()
                try await bench.run(tooLong, on: [cache], into: &report)
            }
            #expect(error?.code == .tooLong)
        }
    }
}

struct `the codec bench` {
    @Test func `counts all bytes, and fewer bits make larger errors`() throws {
        let found = try CodecBench.small.run()
        let byName = Dictionary(grouping: found, by: \.codec).mapValues { $0[0] }
        #expect(byName["fp16"]?.ratioToFP16 == 1 && byName["fp16"]?.bytesPerToken == 4 * 64)
        let order = ["fp16", "q8", "k8v4", "q4", "zipcache"].compactMap { byName[$0] }
        #expect(zip(order, order.dropFirst()).allSatisfy { $0.bytesPerToken > $1.bytesPerToken })
        #expect(zip(order, order.dropFirst()).allSatisfy { $0.keyError + $0.valueError < $1.keyError + $1.valueError })
        #expect(found.allSatisfy { $0.encode > 0 && $0.decode > 0 && $0.memcpy > 0 })
        let ranks = found.filter { $0.codec == "lowrank" }
        #expect(
            ranks.count == 2 && ranks[0].keyError > ranks[1].keyError && ranks[0].bytesPerToken < ranks[1].bytesPerToken
        )
    }

    @Test func `measures errors against the spread of each channel`() {
        // Channels of means 10 and 0, deviations 1 and 2; one number of eight is off by 1.
        let numbers: [Float] = [9, -2, 11, 2, 9, -2, 11, 2]
        #expect(relativeError(numbers, numbers, width: 2) == 0)
        var off = numbers
        off[2] += 1
        #expect(abs(relativeError(off, numbers, width: 2) - (1 / 20.0).squareRoot()) < 1e-12)
    }
}

extension CodecBench {
    /// Small enough for a test.
    fileprivate static var small: CodecBench {
        var bench = CodecBench()
        (bench.shapes, bench.tokens, bench.layers, bench.rounds) = ([(heads: 2, headDimension: 32)], 160, 2, 1)
        return bench
    }
}

struct `paired bootstrap` {
    @Test func `of equal methods is 0, of one that is always ahead its lead`() {
        let none = PairedBootstrap([true, false, true], against: [true, false, true], clusters: [0, 1, 2])
        #expect(none.points == 0 && none.low == 0 && none.high == 0)
        let all = PairedBootstrap(
            Array(repeating: true, count: 40), against: Array(repeating: false, count: 40), clusters: Array(0..<40))
        #expect(all.points == 100 && all.low == 100 && all.high == 100)
    }

    @Test func `has the interval of the mean of independent differences`() {
        // 100 questions, 30 of them ahead: 30 points, deviation √(0.3 · 0.7 / 100) = 4.58 points.
        let first = (0..<100).map { $0 < 30 }
        let found = PairedBootstrap(first, against: first.map { _ in false }, clusters: Array(0..<100))
        #expect(found.points == 30)
        #expect(abs(found.low - (30 - 1.96 * 4.58)) < 1.5 && abs(found.high - (30 + 1.96 * 4.58)) < 1.5)
    }

    @Test func `draws whole prompts: questions that stand and fall together widen it`() {
        let first = (0..<100).map { $0 / 10 % 2 == 0 }
        let none = first.map { _ in false }
        let alone = PairedBootstrap(first, against: none, clusters: Array(0..<100))
        let together = PairedBootstrap(first, against: none, clusters: (0..<100).map { $0 / 10 })
        #expect(together.points == alone.points && together.high - together.low > 2 * (alone.high - alone.low))
    }
}
