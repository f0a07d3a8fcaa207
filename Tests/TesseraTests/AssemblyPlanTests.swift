// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraReuse
import Testing

@testable import Tessera

struct `assembly plan` {
    @Test func `without hits everything behind the prefix is computed`() {
        let plan = AssemblyPlan(length: 10, prefix: 4, hits: [], selector: .deviation, ratio: 0.15, layers: 4)
        #expect(plan.computed == [4, 5, 6, 7, 8, 9])
        #expect(plan.reusedTokens == 0 && plan.effectiveRecompute(layers: 4) == 0)
    }

    @Test func `hits are left out, but for what the selector picks`() {
        let plan = AssemblyPlan(
            length: 12, prefix: 1, hits: [2..<6, 7..<10], selector: .firstK(count: 1), ratio: 0, layers: 4)
        #expect(plan.computed == [1, 2, 6, 7, 10, 11])
        #expect(plan.recomputedTokens == 2)
        #expect(plan.effectiveRecompute(layers: 4) == 2.0 / 7)
    }

    @Test func `deviation computes every reused token up to its layer, and says so`() {
        let plan = AssemblyPlan(length: 12, prefix: 1, hits: [1..<11], selector: .deviation, ratio: 0.2, layers: 4)
        #expect(plan.computed == Array(1..<12))
        #expect(plan.selection == .byDeviation(layer: 1, budget: 2))
        #expect(plan.firstStoredLayer == 1)
        #expect(plan.effectiveRecompute(layers: 4) == (10 + 3 * 2) / 40.0)
    }

    @Test func `a higher check layer computes the layers below it whole`() {
        let plan = AssemblyPlan(
            length: 12, prefix: 1, hits: [1..<11], selector: .deviation(layer: 3), ratio: 0.2, layers: 4)
        #expect(plan.selection == .byDeviation(layer: 3, budget: 2))
        #expect(plan.firstStoredLayer == 3)
        #expect(plan.effectiveRecompute(layers: 4) == (3 * 10 + 2) / 40.0)
    }

    @Test func `the last token is computed wherever its KV may come from`() {
        #expect(AssemblyPlan(length: 5, prefix: 5, hits: [], selector: .none, ratio: 0, layers: 2).computed == [4])
        #expect(AssemblyPlan(length: 5, prefix: 1, hits: [1..<5], selector: .none, ratio: 0, layers: 2).computed == [4])
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
