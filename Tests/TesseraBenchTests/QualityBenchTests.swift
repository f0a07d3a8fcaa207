// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tessera
import TesseraReuse
import TesseraTestSupport
import Testing

@testable import TesseraBench

/// The benches on the fixture model, with a handful of questions.
@Suite(.serialized) struct QualityBenchTests {
    @Test func `recomputing all is exact, and every figure is filled in`() async throws {
        try await withFixtureCache { cache in
            let questions = QualitySuite.sample(QualitySuite.builtIn, perKind: 2)
            var bench = QualityBench([
                .stitched(.all, ratio: 1), .stitched(.storedScore(), ratio: 0.2), .stitched(.none, ratio: 0),
                .parallel(),
            ])
            bench.timed = 1
            let report = try await bench.run(questions, on: cache)
            #expect(report.kinds.count == 4 && report.questions.values.allSatisfy { $0 == 2 })
            let (exact, all, stored, none) = (
                report.results[0], report.results[1], report.results[2], report.results[3]
            )
            #expect(exact.assembly == "exact" && exact.klMean == 0)
            #expect(all.klMean < 1e-6 && all.top1Agreement == 1 && all.sameAnswer == exact.sameAnswer)
            #expect(all.loss.values.allSatisfy { $0.points == 0 })
            #expect(stored.random != nil && stored.unscored == 0 && none.random == nil)
            #expect(none.klMean > all.klMean && stored.klMean > all.klMean)
            #expect(report.results.allSatisfy { ($0.ttft ?? 0) > 0 })

            let page = QualityPage(report).html
            #expect(page.contains("<svg") && !page.contains("http"), "the page stands alone")
            let drawing = QualityPage(report).svg
            #expect(drawing.hasPrefix("<svg xmlns"))
            #expect(drawing.ranges(of: "<svg").count == drawing.ranges(of: "</svg>").count)
            #expect(drawing.contains("KL to exact, nats") && drawing.contains("storedScore"))
            let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(report)) as? [String: Any]
            let results = try #require(json?["results"] as? [[String: Any]])
            let wanted = [
                "assembly", "selector", "ratio", "effectiveRecompute", "exactMatch", "klMean", "klP95", "top1Agreement",
                "ttft",
            ]
            #expect(wanted.allSatisfy { results[2][$0] != nil })
        }
    }

    @Test func `a gate of a few questions signs a record that the cache takes`() async throws {
        try await withFixtureCache { cache in
            var bench = GateBench()
            (bench.budget, bench.leastPerKind, bench.ratios, bench.kinds) = (0, 1, [0.3], ["fact"])
            let record = try await bench.run(on: cache)
            #expect(record.kinds == ["fact"] && record.questions["fact"] == 1 && record.isNarrow)
            try await cache.sign(record)
            #expect(await cache.gateRecord() == record)
            bench.kinds = ["song"]
            await #expect(throws: (any Error).self) { try await bench.run(on: cache) }
        }
    }

    @Test func `calibration finds what is no farther from exact than plain attention`() async throws {
        try await withFixtureCache { cache in
            var calibration = ParallelCalibration()
            (calibration.answerTokens, calibration.firstPrompts) = (4, 1)
            let prompts = QualitySuite.builtIn.prefix(ParallelCalibration.leastPrompts).map(\.prompt)
            let settings = try await calibration.run(prompts, on: cache)
            #expect(settings.kl <= settings.plainKL && settings.temperature > 0 && settings.scale > 0)
            try await cache.keep(settings)
            #expect(await cache.parallelSettings() == settings)
            await #expect(throws: (any Error).self) {
                try await calibration.run([Prompt(contexts: ["one"], question: "?")], on: cache)
            }
        }
    }

    @Test func `a temperature is taken only where every second prompt confirms what the others chose`() {
        typealias Point = ParallelCalibration.Point
        let other = Point(temperature: 14, scale: 18)
        let plain = [0.5, 0.5, 0.5, 0.6, 0.5, 0.5, 0.6, 0.5]
        #expect(ParallelCalibration.confirmed([.plain: plain, other: plain.map { $0 - 0.2 }]) == other)
        #expect(ParallelCalibration.confirmed([.plain: plain, other: plain.map { $0 + 0.2 }]) == .plain)
        let mixed = plain.enumerated().map { $0.offset.isMultiple(of: 2) ? $0.element - 0.2 : $0.element + 0.1 }
        #expect(ParallelCalibration.confirmed([.plain: plain, other: mixed]) == .plain, "the rest does not confirm it")
    }
}
