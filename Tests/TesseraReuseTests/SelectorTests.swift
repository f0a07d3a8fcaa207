// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraReuse

struct `selectors` {
    let slots = [10..<20, 25..<45, 45..<55]
    var chunks: [ReusedChunk] { slots.map { ReusedChunk(slots: $0) } }
    var all: [Int] { slots.flatMap { $0 } }

    @Test func `none picks nothing and all picks everything, whatever the ratio`() {
        for ratio in [0, 0.15, 1] {
            #expect(Selector.none.plan(chunks: chunks, ratio: ratio, layers: 8) == .fixed([]))
            #expect(Selector.all.plan(chunks: chunks, ratio: ratio, layers: 8) == .fixed(all))
        }
    }

    @Test func `firstK picks the head of each chunk`() {
        let plan = Selector.firstK(count: 2).plan(chunks: chunks, ratio: 0.9, layers: 8)
        #expect(plan == .fixed([10, 11, 25, 26, 45, 46]))
        #expect(
            Selector.firstK(count: 64).plan(chunks: [ReusedChunk(slots: 3..<5)], ratio: 0, layers: 8) == .fixed([3, 4]))
    }

    @Test func `random picks the budget, ascending, from reused slots only, and again the same for a seed`() {
        let reused = Set(all)
        var distinct: Set<[Int]> = []
        for seed in 0..<50 as Range<UInt64> {
            let plan = Selector.random(seed: seed).plan(chunks: chunks, ratio: 0.15, layers: 8)
            let slots = plan.fixed
            #expect(plan == .fixed(slots))
            #expect(slots.count == 6)
            #expect(slots == slots.sorted() && Set(slots).isSubset(of: reused) && Set(slots).count == 6)
            #expect(Selector.random(seed: seed).plan(chunks: chunks, ratio: 0.15, layers: 8) == .fixed(slots))
            distinct.insert(slots)
        }
        #expect(distinct.count > 45)
    }

    @Test func `deviation waits for its layer, 1 by default, unless there is nothing to choose`() {
        func plan(_ selector: Selector, _ ratio: Double, layers: Int = 8) -> SelectionPlan {
            selector.plan(chunks: chunks, ratio: ratio, layers: layers)
        }
        func measured(_ measure: SelectionPlan.Measure, _ layer: Int, _ budget: Int) -> SelectionPlan {
            SelectionPlan(
                candidates: all, choice: .measured(measure, [SelectionStage(layer: layer, budget: budget)]))
        }
        #expect(plan(.deviation, 0.15) == measured(.values, 1, 6))
        #expect(plan(.deviation(layer: 4), 0.15) == measured(.values, 4, 6))
        #expect(plan(.deviation(layer: 2, of: .keys), 0.15) == measured(.keys, 2, 6))
        #expect(plan(.deviationAttention(layer: 3), 0.15) == measured(.attendedValues, 3, 6))
        #expect(plan(.deviation, 0) == .fixed([]))
        #expect(plan(.deviation, 1) == .fixed(all))
        #expect(plan(.deviation, 0.15, layers: 1) == .fixed(all))
        #expect(plan(.deviation(layer: 4), 0.15, layers: 4) == .fixed(all))
        #expect(Selector.deviation.plan(chunks: [], ratio: 0.15, layers: 8) == .fixed([]))
    }

    @Test func `gradual filtering has nested budgets whose mean is the ratio`() {
        let plan = Selector.deviation(layer: 1, gradual: true).plan(
            chunks: [ReusedChunk(slots: 0..<1000)], ratio: 0.2, layers: 9)
        guard case .measured(.values, let stages) = plan.choice else {
            Issue.record("gradual filtering measures")
            return
        }
        #expect(stages.map(\.layer) == Array(1...8))
        #expect(stages.first?.budget == 300 && stages.last?.budget == 100)
        #expect(zip(stages, stages.dropFirst()).allSatisfy { $0.budget >= $1.budget })
        #expect(abs(Double(stages.map(\.budget).reduce(0, +)) / 8 - 200) <= 1)
        #expect(plan.computedReused(layers: 9) == [1000] + stages.map(\.budget))
    }

    @Test func `the question's look chooses among all reused slots`() {
        let plan = Selector.question.plan(chunks: chunks, ratio: 0.15, layers: 8)
        #expect(plan == SelectionPlan(candidates: all, choice: .question(budget: 6)))
        #expect(plan.computedReused(layers: 3) == [6, 6, 6])
    }

    @Test func `a stored score takes the best of all chunks, weighted by what their context lost`() {
        let kept = ReusedChunk(slots: 0..<4, scores: [9, 9, 9, 9], overlap: 1, overhead: 0)
        let lost = ReusedChunk(slots: 10..<16, scores: [1, 5, 0, 4, 0, 0], overlap: 0, overhead: 0.5)
        let plan = Selector.storedScore().plan(chunks: [kept, lost], ratio: 0.2, layers: 8)
        #expect(plan == .fixed([11, 13]))
        // A token of no rank is left as it is, though the budget had room for it.
        #expect(Selector.storedScore().plan(chunks: [kept, lost], ratio: 0.8, layers: 8) == .fixed([10, 11, 13]))
        #expect(Selector.storedScore().plan(chunks: [kept, lost], ratio: 1, layers: 8).fixed.count == 10)
    }

    @Test func `with alpha each chunk has its own budget, as in the paper`() {
        let first = ReusedChunk(slots: 0..<4, scores: [1, 3, 2, 4], overlap: 0.5, overhead: 0.3)
        let second = ReusedChunk(slots: 4..<8, scores: [0, 0, 0, 1], overlap: 0, overhead: 0.6)
        let plan = Selector.storedScore(.init(alpha: 0.5)).plan(chunks: [first, second], ratio: 0, layers: 8)
        #expect(plan == .fixed([3, 4, 7]))  // ⌈0.15 · 4⌉ = 1 and ⌈0.3 · 4⌉ = 2, ties to the lower token
    }

    @Test func `a chunk without scores is never picked from by scores`() {
        let scored = ReusedChunk(slots: 0..<10, scores: Array(repeating: 1, count: 10), overlap: 0, overhead: 0.5)
        let alone = ReusedChunk(slots: 10..<30)
        let plan = Selector.storedScore().plan(chunks: [scored, alone], ratio: 0.2, layers: 8)
        #expect(plan.unscoredChunks == 1)
        #expect(plan.fixed == [0, 1] && plan.candidates == Array(10..<30))
        #expect(plan.choice == .measured(.values, [SelectionStage(layer: 1, budget: 4)]))
        #expect(plan.computedReused(layers: 3) == [22, 6, 6])
        let paper = Selector.storedScore(.init(alpha: 0.5)).plan(chunks: [scored, alone], ratio: 0, layers: 8)
        #expect(paper.choice == .measured(.values, [SelectionStage(layer: 1, budget: 10)]))
        let first = ReusedChunk(slots: 0..<10, overlap: 1, overhead: 0)
        #expect(Selector.storedScore().plan(chunks: [first], ratio: 0.2, layers: 8) == .fixed([]))
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

    @Test func `in absolute form it is the sum of the distances`() {
        #expect(absoluteDeviations(fresh: [1, -2, 0, 3], stored: [0, 0, 0, -1], width: 2) == [3, 4])
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
