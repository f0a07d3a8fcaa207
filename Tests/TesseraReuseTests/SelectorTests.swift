// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraReuse
import TesseraTestSupport
import Testing

struct `selectors` {
    let chunks = [10..<20, 25..<45, 45..<55]

    @Test func `none picks nothing and all picks everything, whatever the ratio`() {
        for ratio in [0, 0.15, 1] {
            #expect(Selector.none.plan(chunks: chunks, ratio: ratio, layers: 8) == .fixed([]))
            #expect(Selector.all.plan(chunks: chunks, ratio: ratio, layers: 8) == .fixed(chunks.flatMap { $0 }))
        }
    }

    @Test func `firstK picks the head of each chunk`() {
        let plan = Selector.firstK(count: 2).plan(chunks: chunks, ratio: 0.9, layers: 8)
        #expect(plan == .fixed([10, 11, 25, 26, 45, 46]))
        #expect(Selector.firstK(count: 64).plan(chunks: [3..<5], ratio: 0, layers: 8) == .fixed([3, 4]))
    }

    @Test func `random picks the budget, ascending, from reused slots only, and again the same for a seed`() {
        let reused = Set(chunks.flatMap { $0 })
        var distinct: Set<[Int]> = []
        for seed in 0..<50 as Range<UInt64> {
            guard case .fixed(let slots) = Selector.random(seed: seed).plan(chunks: chunks, ratio: 0.15, layers: 8)
            else {
                Issue.record("random is decided before layer 0")
                return
            }
            #expect(slots.count == 6)
            #expect(slots == slots.sorted() && Set(slots).isSubset(of: reused) && Set(slots).count == 6)
            #expect(Selector.random(seed: seed).plan(chunks: chunks, ratio: 0.15, layers: 8) == .fixed(slots))
            distinct.insert(slots)
        }
        #expect(distinct.count > 45)
    }

    @Test func `deviation waits for its layer, 1 by default, unless there is nothing to choose`() {
        #expect(Selector.deviation.plan(chunks: chunks, ratio: 0.15, layers: 8) == .byDeviation(layer: 1, budget: 6))
        #expect(Selector.deviation.plan(chunks: chunks, ratio: 0, layers: 8) == .fixed([]))
        #expect(Selector.deviation.plan(chunks: chunks, ratio: 1, layers: 8) == .fixed(chunks.flatMap { $0 }))
        #expect(Selector.deviation.plan(chunks: chunks, ratio: 0.15, layers: 1) == .fixed(chunks.flatMap { $0 }))
        #expect(
            Selector.deviation(layer: 4).plan(chunks: chunks, ratio: 0.15, layers: 8)
                == .byDeviation(layer: 4, budget: 6))
        #expect(
            Selector.deviation(layer: 4).plan(chunks: chunks, ratio: 0.15, layers: 4) == .fixed(chunks.flatMap { $0 }))
        #expect(Selector.deviation.plan(chunks: [], ratio: 0.15, layers: 8) == .fixed([]))
    }

    @Test(arguments: [(0.0, 100, 0), (0.001, 100, 1), (0.15, 40, 6), (0.15, 41, 7), (1, 7, 7), (0.5, 0, 0)])
    func `a budget is rounded up and never exceeds the tokens`(ratio: Double, tokens: Int, budget: Int) {
        #expect(recomputeBudget(ratio: ratio, tokens: tokens) == budget)
    }
}

struct `deviation arithmetic` {
    @Test func `is the squared distance of each token, as by hand`() {
        let fresh: [Float] = [1, 2, 3, 0, 0, 0, -1, 1, 0.5]
        let stored: [Float] = [1, 2, 3, 0, 3, 4, 1, 1, 0]
        #expect(deviations(fresh: fresh, stored: stored, width: 3) == [0, 25, 4.25])
    }

    @Test func `the highest win, ties go to the lower index, and NaN is the highest of all`() {
        #expect(indicesOfHighest(2, in: [1, 5, 5, 5]) == [1, 2])
        #expect(indicesOfHighest(3, in: [0, 9, -1, 4]) == [0, 1, 3])
        #expect(indicesOfHighest(1, in: [3, .nan, 7]) == [1])
        #expect(indicesOfHighest(9, in: [3, 1]) == [0, 1])
        #expect(indicesOfHighest(0, in: [3, 1]) == [])
    }

    @Test func `agrees with a reference in double precision on random numbers`() {
        var generator = SplitMix64(seed: 7)
        let (fresh, stored) = (generator.floats(64 * 33), generator.floats(64 * 33))
        let expected = stride(from: 0, to: fresh.count, by: 33).map { start in
            (start..<start + 33).map {
                let d = Double(fresh[$0]) - Double(stored[$0]); return d * d
            }.reduce(0, +)
        }
        let found = deviations(fresh: fresh, stored: stored, width: 33)
        #expect(zip(found, expected).allSatisfy { abs(Double($0) - $1) < 1e-4 })
    }
}

struct `effective recompute` {
    @Test func `counts the layers before the selection in full`() {
        // 100 reused tokens, 4 layers: layer 0 whole, then 15 tokens in each of three layers.
        #expect(effectiveRecompute(computedReused: [100, 15, 15, 15], reused: 100) == 145.0 / 400)
        #expect(effectiveRecompute(computedReused: [0, 0], reused: 10) == 0)
        #expect(effectiveRecompute(computedReused: [10, 10], reused: 10) == 1)
        #expect(effectiveRecompute(computedReused: [0, 0], reused: 0) == 0)
    }
}
