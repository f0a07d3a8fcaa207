// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraReuse
import Testing

@testable import Tessera

struct `assembly plan` {
    private func plan(
        _ length: Int, prefix: Int, hits: [Range<Int>], _ selector: Selector, ratio: Double = 0, layers: Int = 4
    ) -> AssemblyPlan {
        AssemblyPlan(
            length: length, prefix: prefix, hits: hits.map { ReusedChunk(slots: $0) }, selector: selector, ratio: ratio,
            layers: layers)
    }

    private func measured(layer: Int, budget: Int) -> SelectionPlan.Choice {
        .measured(.values, [SelectionStage(layer: layer, budget: budget)])
    }

    @Test func `without hits everything behind the prefix is computed`() {
        let plan = plan(10, prefix: 4, hits: [], .deviation, ratio: 0.15)
        #expect(plan.computed == [4, 5, 6, 7, 8, 9])
        #expect(plan.reusedTokens == 0 && plan.effectiveRecompute(layers: 4) == 0)
    }

    @Test func `hits are left out, but for what the selector picks`() {
        let plan = plan(12, prefix: 1, hits: [2..<6, 7..<10], .firstK(count: 1))
        #expect(plan.computed == [1, 2, 6, 7, 10, 11])
        #expect(plan.recomputedTokens == 2)
        #expect(plan.effectiveRecompute(layers: 4) == 2.0 / 7)
    }

    @Test func `deviation computes every reused token up to its layer, and says so`() {
        let plan = plan(12, prefix: 1, hits: [1..<11], .deviation, ratio: 0.2)
        #expect(plan.computed == Array(1..<12))
        #expect(plan.selection.choice == measured(layer: 1, budget: 2))
        #expect(plan.firstStoredLayer == 1)
        #expect(plan.effectiveRecompute(layers: 4) == (10 + 3 * 2) / 40.0)
    }

    @Test func `a higher check layer computes the layers below it whole`() {
        let plan = plan(12, prefix: 1, hits: [1..<11], .deviation(layer: 3), ratio: 0.2)
        #expect(plan.selection.choice == measured(layer: 3, budget: 2))
        #expect(plan.firstStoredLayer == 3)
        #expect(plan.effectiveRecompute(layers: 4) == (3 * 10 + 2) / 40.0)
    }

    @Test func `rows are counted layer by layer, the question's look included`() {
        #expect(plan(12, prefix: 1, hits: [1..<11], .deviation, ratio: 0.2).rows(layers: 4) == [11, 3, 3, 3])
        #expect(plan(12, prefix: 1, hits: [1..<11], .question, ratio: 0.2).rows(layers: 2) == [3, 3])
        #expect(plan(12, prefix: 4, hits: [], .deviation, ratio: 0.2).rows(layers: 2) == [8, 8])
    }

    @Test func `the question is all that stands behind the contexts`() {
        #expect(plan(12, prefix: 1, hits: [1..<9], .none).question == 9..<12)
        #expect(plan(9, prefix: 1, hits: [1..<9], .none).question == 8..<9)
        let missed = AssemblyPlan(
            length: 12, prefix: 1, hits: [ReusedChunk(slots: 1..<4)], selector: .none, ratio: 0, layers: 2,
            contextsEnd: 10)
        #expect(missed.question == 10..<12)
    }

    @Test func `chunks of fixed choices are read from the bottom on beside those that are measured`() {
        let scored = ReusedChunk(slots: 0..<4, scores: [1, 2, 3, 4])
        let plan = AssemblyPlan(
            length: 10, prefix: 0, hits: [scored, ReusedChunk(slots: 4..<8)], selector: .storedScore(), ratio: 0.5,
            layers: 4)
        #expect(plan.firstStoredLayer == 0 && plan.computed == [2, 3, 4, 5, 6, 7, 8, 9])
        #expect(plan.rows(layers: 3) == [8, 6, 6])
    }

    @Test(arguments: [(0.0, 1.0), (-1, 1), (1, 0), (.nan, 1), (1, .infinity)])
    func `a temperature or scale that is not above 0 is refused`(temperature: Double, scale: Double) {
        #expect(throws: TesseraError.self) {
            try Assembly.parallel(temperature: temperature, scale: scale).validate(layers: 4)
        }
    }

    @Test(arguments: [
        Selector.storedScore(StoredScore(alpha: -1)), .storedScore(StoredScore(alpha: .nan)), .firstK(count: -1),
        .deviationAttention(layer: 0), .deviationAttention(layer: 2, repairs: -1), .deviation(layer: 9, gradual: true),
    ]) func `options of selectors out of range are refused`(selector: Selector) {
        #expect(throws: TesseraError.self) { try Assembly.stitched(selector, ratio: 0.2).validate(layers: 4) }
    }

    @Test func `the last token is computed wherever its KV may come from`() {
        #expect(plan(5, prefix: 5, hits: [], .none).computed == [4])
        #expect(plan(5, prefix: 1, hits: [1..<5], .none).computed == [4])
    }

    @Test(arguments: [-0.1, 1.1, .nan, .infinity]) func `a ratio outside 0 to 1 is refused`(ratio: Double) {
        #expect(throws: TesseraError.self) { try Assembly.stitched(.deviation, ratio: ratio).validate(layers: 4) }
    }

    @Test(arguments: [-1, 0, 4, 5]) func `a check layer that the model lacks, or that sees no context, is refused`(
        layer: Int
    ) {
        #expect(throws: TesseraError.self) {
            try Assembly.stitched(.deviation(layer: layer), ratio: 0.2).validate(layers: 4)
        }
    }

    @Test func `a model of one layer takes the default check layer`() throws {
        try Assembly.default.validate(layers: 1)
    }
}
