// SPDX-License-Identifier: Apache-2.0

import TesseraCompression
import TesseraKV
import Testing

/// Presses against their formulas in float64.
struct `presses` {
    @Test(arguments: PressGoldens.all.cases)
    func `score as their papers' formulas do`(_ golden: PressGoldens.Case) throws {
        let views = golden.views
        #expect(views.count == golden.scores.count)
        for (view, heads) in zip(views, golden.scores) {
            let found = try golden.made.scores(of: view).heads
            #expect(found.count == heads.count && found[0].count == view.tokens)
            for (found, right) in zip(found, heads) {
                let largest = right.reduce(0) { max($0, abs($1 ?? 0)) }
                let wrong = zip(found, right).filter { found, right in
                    // What is exactly 0, or protected, has to be so.
                    guard let right else { return found != .infinity }
                    return right == 0 ? found != 0 : abs(Double(found) - right) > 2e-6 * (abs(right) + largest)
                }
                #expect(wrong.isEmpty, "layer \(view.layer)")
            }
        }
    }

    @Test(arguments: PressGoldens.all.cases.filter { $0.press != "snapkv" || $0.options.kernel == 5 })
    func `with agreement of none, the layer or the prompt, keep the same tokens as in float64`(
        _ golden: PressGoldens.Case
    ) throws {
        let views = golden.views
        let press = golden.made
        let scores = try views.map { try press.scores(of: $0) }
        for agreement in [PressPlan.Agreement.scored, .layer, .prompt] {
            let plan = PressPlan(press, budget: .tokens(golden.budget), agreement: agreement)
            #expect(try plan.keep(scores).layers == golden.kept[agreement.rawValue])
        }
    }

    @Test func `in a pyramid keep what PyramidKV keeps`() throws {
        let golden = try #require(PressGoldens.all.cases.first { $0.press == "snapkv" && $0.options.kernel == 7 })
        let scores = try golden.views.map { try golden.made.scores(of: $0) }
        for agreement in [PressPlan.Agreement.scored, .layer, .prompt] {
            let plan = PressPlan(
                golden.made, budget: .tokens(golden.budget), layers: PyramidBudget(window: 8), agreement: agreement)
            #expect(try plan.keep(scores).layers == golden.kept[agreement.rawValue])
        }
    }
}
