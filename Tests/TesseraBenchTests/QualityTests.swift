// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tessera
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraBench

struct `paired losses` {
    @Test func `are the difference of the shares, with an interval of the pairs`() {
        let reference = Array(repeating: true, count: 90) + Array(repeating: false, count: 10)
        var other = reference
        for place in 0..<6 { other[place] = false }
        for place in 95..<97 { other[place] = true }
        let loss = PairedLoss(reference: reference, other: other)
        #expect(abs(loss.points - 4) < 1e-9)
        // Half a pair more of each outcome: 6.5 of 1 and 2.5 of −1 in 102, mean 4/102, variance 9/102 − (4/102)².
        let (mean, square) = (4.0 / 102, 9.0 / 102)
        let margin = 1.96 * ((square - mean * mean) / 102).squareRoot()
        #expect(abs(loss.low - 100 * (mean - margin)) < 1e-9 && abs(loss.high - 100 * (mean + margin)) < 1e-9)
        #expect(PairedLoss(reference: reference, other: reference) == PairedLoss(reference: other, other: other))
        let same = PairedLoss(reference: [true], other: [true])
        #expect(same.points == 0 && same.low < -50 && same.high > 50, "one question tells next to nothing")
    }

    @Test func `quantiles are by nearest rank`() {
        #expect(quantile(0.95, of: (1...100).map { Double($0) }) == 95)
        #expect(quantile(0.95, of: [3]) == 3 && quantile(0.5, of: []) == 0)
    }
}

struct `prefix caching` {
    @Test func `reuses runs from the front, in their order`() {
        var cache = PrefixCache(cap: 100)
        #expect(cache.use([1, 2, 3], sizes: [1, 1, 1]) == 0)
        #expect(cache.use([1, 2, 4], sizes: [1, 1, 1]) == 2)
        #expect(cache.use([2, 1], sizes: [1, 1]) == 0)
        #expect(cache.use([1, 2, 3], sizes: [1, 1, 1]) == 3)
        #expect(cache.use([], sizes: []) == 0)
    }

    @Test func `holds no more than its cap, and lets ends of runs go first`() {
        var cache = PrefixCache(cap: 3)
        _ = cache.use([1, 2, 3], sizes: [1, 1, 1])
        #expect(cache.use([1, 4], sizes: [1, 1]) == 1)
        #expect(cache.use([1, 2], sizes: [1, 1]) == 2)
        #expect(cache.use([1, 2, 3], sizes: [1, 1, 1]) == 2)
        #expect(cache.use([9], sizes: [4]) == 0)
        #expect(cache.use([9], sizes: [4]) == 0, "what exceeds the cap is never kept")
    }
}

struct `retrieval traces` {
    private let chunks = #"{"id": "a", "text": "A."}"# + "\n" + #"{"id": "b", "text": "B."}"#

    @Test func `join requests with their chunks`() throws {
        let trace = try RetrievalTrace(
            chunks: chunks, named: "c",
            requests: #"{"chunks": ["b", "a"], "question": "q", "answers": ["x"], "kind": "k"}"#,
            named: "r")
        #expect(trace.prompt(of: trace.requests[0]) == Prompt(contexts: ["B.", "A."], question: "q"))
    }

    @Test(arguments: [
        (#"{"chunks": ["z"], "question": "q", "answers": [], "kind": "k"}"#, "r, line 1, names chunk z"),
        ("\nnonsense", "r, line 2"), (#"{"chunks": []}"#, "it has no \"question\""),
    ]) func `name what is wrong`(requests: String, part: String) {
        let error = #expect(throws: TesseraError.self) {
            try RetrievalTrace(chunks: chunks, named: "c", requests: requests, named: "r")
        }
        #expect(error?.message.contains(part) == true)
    }
}

struct `the gate's ladder` {
    private func result(_ ratio: Double, lost: [String: Double], exact: Double = 1) -> QualityReport.Result {
        let assembly = Assembly.stitched(.random(seed: 1), ratio: ratio)
        return QualityReport.Result(
            assembly: "stitched", selector: "random", ratio: ratio, checkLayer: nil, label: "", method: assembly,
            effectiveRecompute: ratio, exactMatch: lost.mapValues { exact - $0 / 100 },
            sameAnswer: lost.mapValues { 1 - $0 / 50 },
            loss: lost.mapValues { points in
                PairedLoss(
                    reference: Array(repeating: true, count: 1000),
                    other: (0..<1000).map { Double($0) >= points * 10 })
            }, klMean: 0, klP95: 0, top1Agreement: 1, ttft: nil, speedup: nil, unscored: 0, random: nil)
    }

    @Test func `signs for the smallest ratio from which on nothing loses more than the bar`() {
        let rungs = [
            result(0.1, lost: ["a": 1, "b": 9]), result(0.2, lost: ["a": 5, "b": 1]),
            result(0.3, lost: ["a": 1, "b": 1]),
        ]
        let methods = GateBench().passed(rungs, exact: result(0, lost: ["a": 0, "b": 0]), kinds: ["a", "b"])
        #expect(methods.map(\.kinds) == [["b"], ["a", "b"]])
        #expect(methods.map(\.effectiveRecompute) == [0.2, 0.3])
    }

    @Test func `keeps its last rung where nothing passes`() {
        let rungs = [result(0.1, lost: ["a": 9]), result(0.2, lost: ["a": 7])]
        let methods = GateBench().passed(rungs, exact: result(0, lost: ["a": 0]), kinds: ["a"])
        #expect(methods.map(\.kinds) == [[]] && methods.map(\.effectiveRecompute) == [0.2])
    }

    @Test func `goes by the same answers where exact itself is mostly wrong`() {
        let rungs = [result(0.1, lost: ["a": 1.5], exact: 0.1)]
        let methods = GateBench().passed(rungs, exact: result(0, lost: ["a": 0], exact: 0.1), kinds: ["a"])
        #expect(methods.map(\.kinds) == [[]], "3 of 100 answers are not exact's")
    }
}

struct `plots` {
    @Test func `an axis has round numbers around its figures`() {
        let axis = Axis([0.151, 0.39], isLogarithmic: false)
        #expect(axis.low <= 0.151 && axis.high >= 0.39 && axis.ticks.count >= 4)
        #expect(axis.share(of: axis.low) == 0 && axis.share(of: axis.high) == 1)
        let decades = Axis([0, 0.5], isLogarithmic: true)
        #expect(decades.share(of: 0) == 0 && decades.ticks.contains { abs($0 - 0.1) < 1e-12 })
        #expect(Axis([], isLogarithmic: false).high > 0)
    }

    @Test func `text can't break out of a page`() {
        #expect(escaped("<a> & \"b\"") == "&lt;a&gt; &amp; &quot;b&quot;")
    }
}
