// SPDX-License-Identifier: Apache-2.0

import TesseraCompression
import TesseraKV
import Testing

struct `the list of presses` {
    let assets = HeadAssets(
        weights: "w", queryHeads: 4, scores: [[0, 3, 1, 2], [5, 5, 0, 1]],
        costs: EvictionCosts(shares: [0.1], layers: [[0.75], [0.25]]), outputErrors: [0.75, 0.25], samples: 3)

    @Test(arguments: PressCatalog.names) func `makes a plan of each, of its name and the budget`(_ name: String) throws
    {
        let plan = try PressCatalog.plan(named: name, budget: .tokens(40), assets: assets)
        #expect(plan.name == name && plan.budget == .tokens(40) && !plan.merges && plan.agreement == .scored)
    }

    @Test func `names each once, and says of those that look at a window that they want the question`() throws {
        #expect(Set(PressCatalog.names).count == PressCatalog.names.count)
        for entry in PressCatalog.entries {
            let plan = try PressCatalog.plan(named: entry.name, budget: .tokens(40), assets: assets)
            #expect(entry.wantsQuestion == (plan.press.needs.window > 0))
            #expect(!entry.summary.isEmpty)
        }
    }

    @Test func `gives each the budget of layers that its paper has`() throws {
        func layers(_ name: String) throws -> String {
            try PressCatalog.plan(named: name, budget: .tokens(40), assets: assets).layers.name
        }
        let special = ["compresskv": "cost", "pyramidkv": "pyramid", "kvzip": "threshold"]
        for name in PressCatalog.names { #expect(try layers(name) == special[name] ?? "uniform") }
    }

    @Test func `says which names there are where one is unknown`() {
        expectRefusal(.invalidInput, "“snap”", PressCatalog.names.joined(separator: ", ")) {
            try PressCatalog.plan(named: "snap", budget: .tokens(40))
        }
    }

    @Test func `says what to run where a press lacks its assets`() {
        expectRefusal(.notFound, "compresskv", "tessera calibrate heads") {
            try PressCatalog.plan(named: "compresskv", budget: .tokens(40))
        }
    }

    @Test func `refuses a budget that keeps nothing`() {
        expectRefusal(.invalidInput, "keeps nothing") { try PressCatalog.plan(named: "h2o", budget: .tokens(0)) }
    }
}
