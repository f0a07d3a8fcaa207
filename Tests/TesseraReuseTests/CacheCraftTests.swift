// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraReuse
import TesseraTestSupport
import Testing

struct `Cache-Craft's formulas` {
    typealias Neighbour = PrefixNeighbour<String>
    let old = [Neighbour(id: "A", inter: 60), Neighbour(id: "B", inter: 30), Neighbour(id: "X", inter: 10)]

    @Test func `the worked vector: 512 tokens behind A, B, X, now behind A, D, X`() {
        let statistics = ChunkStatistics(
            neighbourTokens: [512, 512, 512], inter: [60, 30, 10], intra: 300,
            scores: Array(repeating: 0, count: 512), peaks: Array(repeating: 0, count: 512))
        #expect(abs(statistics.outside / statistics.inside - 1.0 / 3) < 1e-12)
        #expect(abs(statistics.impact - 0.58257) < 1e-5)
        let overlap = VariantFit(old: old, impact: 1, new: ["A", "D", "X"]).adjustedOverlap
        #expect(abs(prefixOverlap(old: old, new: ["A", "D", "X"]) - 0.7) < 1e-12)
        #expect(orderPenalty(old: ["A", "B", "X"], new: ["A", "D", "X"]) == 0)
        let overhead = fixOverhead(alpha: 1, impact: statistics.impact, overlap: overlap)
        #expect(abs(overhead - 0.174771) < 1e-6)
        #expect(fixBudget(overhead: overhead, tokens: 512) == 90)
    }

    @Test func `the worked vector with its order turned round: all but the impact is lost`() {
        let overlap = VariantFit(old: old, impact: 1, new: ["X", "D", "A"]).adjustedOverlap
        #expect(orderPenalty(old: ["A", "B", "X"], new: ["X", "D", "A"]) == 1)
        #expect(overlap == 0)
        let overhead = fixOverhead(alpha: 1, impact: 0.58257, overlap: overlap)
        #expect(fixBudget(overhead: overhead, tokens: 512) == 299)
    }

    @Test func `the order penalty is the share of pairs that changed sides`() {
        #expect(orderPenalty(old: ["A", "B", "C"], new: ["A", "B", "C"]) == 0)
        #expect(orderPenalty(old: ["A", "B", "C"], new: ["B", "A", "C"]) == 1.0 / 3)
        #expect(orderPenalty(old: ["A", "B", "C"], new: ["C", "B", "A"]) == 1)
        #expect(orderPenalty(old: ["A", "B"], new: ["C", "B"]) == 0)
        #expect(orderPenalty(old: ["A", "A", "B"], new: ["B", "A", "B"]) == 1)
    }

    @Test func `a chunk that was encoded alone has no overlap with whatever stands before it now`() {
        #expect(prefixOverlap(old: [Neighbour](), new: ["A"]) == 0)
        #expect(prefixOverlap(old: [Neighbour](), new: []) == 1)
        #expect(prefixOverlap(old: [Neighbour(id: "A", inter: 0)], new: ["B"]) == 1)
    }

    @Test func `overlap and penalty stay within 0 and 1 for any prefixes`() {
        var generator = SplitMix64(seed: 11)
        for _ in 0..<500 {
            func draw() -> [Int] {
                (0..<Int.random(in: 0...6, using: &generator)).map { _ in Int.random(in: 0..<8, using: &generator) }
            }
            let (before, now) = (draw(), draw())
            let neighbours = before.map { PrefixNeighbour(id: $0, inter: Double.random(in: 0...3, using: &generator)) }
            let fit = VariantFit(old: neighbours, impact: 1, new: PrefixPlaces(now))
            for value in [fit.overlap, fit.orderPenalty, fit.adjustedOverlap] { #expect((0...1).contains(value)) }
            guard !before.isEmpty else { continue }
            #expect(VariantFit(old: neighbours, impact: 1, new: PrefixPlaces(before)).adjustedOverlap == 1)
        }
    }

    @Test func `the impact is one half for a chunk that looks only at itself, and 1 for one that never does`() {
        #expect(contextImpact(outside: 0, inside: 0.1) == 0.5)
        #expect(contextImpact(outside: 1, inside: 0) == 1)
        #expect(contextImpact(outside: 0, inside: 0) == 0.5)
    }

    @Test func `the overhead rises with alpha and never leaves 0 and 1`() {
        let overheads = [0, 0.5, 1, 2, 4].map { fixOverhead(alpha: $0, impact: 0.6, overlap: 0.5) }
        #expect(overheads == overheads.sorted() && overheads.first == 0 && overheads.last == 1)
        #expect(fixOverhead(alpha: 1, impact: 0.7, overlap: 1) == 0)
    }
}

struct `fit of a variant` {
    @Test func `is made of overlap, order and impact`() {
        let old = [PrefixNeighbour(id: "A", inter: 3), PrefixNeighbour(id: "B", inter: 1)]
        let fit = VariantFit(old: old, impact: 0.6, new: ["A", "C"])
        #expect(fit.overlap == 0.75 && fit.orderPenalty == 0 && fit.adjustedOverlap == 0.75 && fit.isFamiliar)
        #expect(abs(fit.overhead - 0.15) < 1e-12)
        #expect(VariantFit(old: old, impact: 0.6, new: ["B", "A"]).overhead == 0.6)
        #expect(!VariantFit(old: old, impact: 0.6, new: ["B"]).isFamiliar, "a quarter of what coloured it")
    }

    @Test func `of a chunk that was encoded alone is perfect in front, and counts as the worst anywhere else`() {
        #expect(VariantFit(isolatedFirst: true).overhead == 0)
        #expect(VariantFit(isolatedFirst: false).overhead == 1)
    }
}

struct `attention of a captured chunk` {
    @Test func `is summed over tokens and averaged over layers`() {
        var tally = AttentionTally(neighbourTokens: [3, 5], tokens: 2, layers: 2)
        tally.add([0.1, 0.2, 0.7, 0.3, 0.0, 0.5], outermost: [0.9, 0.9])
        tally.add([0.3, 0.0, 0.7, 0.1, 0.4, 0.5], outermost: [0.5, 0.6])
        let statistics = tally.statistics
        let expected = (inter: [0.4, 0.3], intra: 1.2, scores: [0.3, 0.4])
        for (found, right) in zip(statistics.inter, expected.inter) { #expect(abs(found - right) < 1e-6) }
        #expect(abs(statistics.intra - expected.intra) < 1e-6)
        for (found, right) in zip(statistics.scores, expected.scores) { #expect(abs(Double(found) - right) < 1e-6) }
        #expect(abs(statistics.outside - (0.4 / 6 + 0.3 / 10)) < 1e-6)
        #expect(abs(statistics.inside - 0.3) < 1e-6)
    }

    @Test func `of two contexts is pooled: aggregates add up, of scores the higher counts`() {
        let one = ChunkStatistics(neighbourTokens: [4], inter: [1], intra: 2, scores: [0.1, 0.4], peaks: [0.5, 0.2])
        let two = ChunkStatistics(neighbourTokens: [2], inter: [3], intra: 1, scores: [0.3, 0.2], peaks: [0.1, 0.9])
        let pooled = one.pooled(with: two)
        #expect(pooled.neighbourTokens == [4, 2] && pooled.inter == [1, 3] && pooled.intra == 3)
        #expect(pooled.scores == [0.3, 0.4] && pooled.peaks == [0.5, 0.9])
        #expect(abs(pooled.outside - (one.outside + two.outside)) < 1e-12)
    }

    @Test func `its peaks are those of the layers from 1 to the middle`() {
        var tally = AttentionTally(neighbourTokens: [3], tokens: 1, layers: 8)
        for (layer, mass) in [0.9, 0.2, 0.4, 0.3, 0.95, 0.96, 0.97, 0.98].enumerated() {
            tally.add([0, 0], outermost: [Float(mass)])
            #expect(tally.statistics.peaks == [[0, 0.2, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4][layer]])
        }
    }
}

struct `focused chunks` {
    @Test func `are told once the same ones stood out for long enough`() {
        var focus = FocusedChunks(tokens: [100, 100, 100, 100], firstLayer: 2, window: 3)
        #expect(focus.add([1, 1, 1, 1.2], layer: 0) == nil)
        #expect(focus.add([9, 1, 1, 1], layer: 1) == nil)
        #expect(focus.add([9, 1, 1, 1], layer: 2) == nil)
        #expect(focus.add([9, 1, 1, 1], layer: 3) == [0])
    }

    @Test func `are never more than half of all, and long chunks do not win by length`() {
        var focus = FocusedChunks(tokens: [10, 10, 10, 1000], firstLayer: 0, window: 1)
        #expect(focus.add([1, 1, 1, 20], layer: 0) == nil)
        var even = FocusedChunks(tokens: [10, 10], firstLayer: 0, window: 1)
        #expect(even.add([1, 1], layer: 0) == nil)
    }
}

struct `preload depth` {
    @Test func `is what FusionRAG quotes for 28 layers, and one where loading is fast`() {
        #expect(preloadDepth(layers: 28, load: 0.5 / 28, compute: 0.07 / 28) == 25)
        #expect(preloadDepth(layers: 28, load: 0.1, compute: 0.2) == 1)
        #expect(preloadDepth(layers: 1, load: 9, compute: 1) == 1)
        #expect(preloadDepth(layers: 4, load: 1, compute: 0) == 4)
    }

    @Test func `never makes the computation wait, and one layer less would`() {
        var generator = SplitMix64(seed: 3)
        for _ in 0..<2000 {
            let layers = Int.random(in: 1...40, using: &generator)
            let (load, compute) = (
                Double.random(in: 0.01...2, using: &generator), Double.random(in: 0.01...2, using: &generator)
            )
            let depth = preloadDepth(layers: layers, load: load, compute: compute)
            // Layer k is in place after k·load; it is wanted when the layers before it are computed.
            func waits(_ depth: Int) -> Bool {
                (1...layers).contains { Double($0) * load > Double(depth) * load + Double($0 - 1) * compute + 1e-9 }
            }
            #expect(!waits(depth))
            if depth > 1 { #expect(waits(depth - 1)) }
        }
    }
}

struct `loading controller` {
    @Test func `hides computation under the load, and leaves the cache alone where loading loses`() {
        #expect(LoadingController.ratio(least: 0.15, load: 1, prefill: 10) == 0.15)
        #expect(LoadingController.ratio(least: 0.15, load: 4, prefill: 10) == 0.4)
        #expect(LoadingController.ratio(least: 0.15, load: 10, prefill: 10) == nil)
        #expect(LoadingController.ratio(least: 0.15, load: 1, prefill: 0) == nil)
    }
}

struct `attention received` {
    @Test func `is summed over rows and averaged over heads`() {
        let probabilities: [Float] = [1, 0, 0.5, 0.5, 0, 1, 0.25, 0.75]  // 2 rows, 2 heads, 2 keys
        #expect(attentionReceived(probabilities, heads: 2, keys: 2) == [0.875, 1.125])
        #expect(attendedDeviations([2, 0, 3], received: [0.5, 9, 0]) == [1, 0, 0])
    }
}
