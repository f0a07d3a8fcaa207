// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraBench
import TesseraKV

/// `tessera gate`: which ways to reuse KV keep a model's answers.
struct Gate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find out which ways to reuse KV keep this model's answers, and sign for them.",
        discussion: """
            Questions about invented people, firms and towns are asked with a full prefill and with stored chunks under \
            several selectors and ratios. For each, the smallest ratio is found that loses at most --bar points of right \
            answers on every kind of question. The record is kept in the store: from then on ask stitches chunks by \
            itself, in the way that recomputes least among those that passed. Without a record it answers exact.
            """)

    @OptionGroup var modelOptions: ModelOptions
    @OptionGroup var storeOptions: StoreOptions
    @OptionGroup var jobOptions: JobOptions

    @Option(help: "Points of right answers that may be lost on a kind of question.")
    var bar = 2.0

    @Option(
        parsing: .upToNextOption,
        help: "Sign for these kinds of question only; requests must name theirs then (ask --kind).")
    var kinds: [String] = []

    @Option(
        help: "Minutes that the run may take, loading not counted; 25 questions of each kind are asked in any case.")
    var budget = 10.0

    @Option(help: "How many other chunks each context is encoded behind for storedScore.")
    var neighbours = 3

    @Option(
        help:
            "Take over a record that `tessera gate --json` printed elsewhere, for the same model and suite; run nothing.",
        completion: .file(extensions: ["json"]))
    var record: String?

    @Flag(help: "Print the record as JSON.")
    var json = false

    func validate() throws {
        guard bar >= 0, bar <= 100 else { throw ValidationError("--bar is between 0 and 100 points") }
        guard budget > 0, budget.isFinite else { throw ValidationError("--budget is more than 0 minutes") }
        guard (0...64).contains(neighbours) else { throw ValidationError("--neighbours is between 0 and 64") }
    }

    func run() async throws {
        let cache = try storeOptions.open(modelOptions)
        let signed: GateRecord
        if let record {
            signed = try await cache.sign(json: Array(readData(at: record)))
        } else {
            var bench = GateBench()
            (bench.bar, bench.budget, bench.neighbours) = (bar, budget * 60, neighbours)
            bench.kinds = kinds.isEmpty ? nil : kinds
            let workers = try jobOptions.workers(beside: cache, model: modelOptions)
            signed = try await bench.run(on: cache, workers: workers) { done in
                if done % 50 == 0 { Notices.say("\(done) questions") }
            }
            try await cache.sign(signed)
        }
        try Console.line(json ? try TesseraCLI.json(signed) : table(signed))
    }

    private func table(_ record: GateRecord) -> String {
        var table = Table(
            ["passed for", "way"] + record.kinds.map { "\($0) lost" } + ["KL to exact", "effective recompute"])
        for method in record.methods {
            let kinds =
                method.kinds.isEmpty
                ? "nothing" : method.kinds.count == record.kinds.count ? "all" : method.kinds.joined(separator: ", ")
            table.rows.append(
                [kinds, method.assembly.label]
                    + record.kinds.map { String(format: "%.1f", method.loss[$0] ?? 0) }
                    + [
                        String(format: "%.4f", method.klMean), String(format: "%.2f", method.effectiveRecompute),
                    ])
        }
        let exact = record.kinds.map { kind in
            "\(kind) \(String(format: "%.1f", 100 * (record.exact[kind] ?? 0))) % of \(record.questions[kind] ?? 0)"
        }
        let outcome = (record.isNarrow ? record.kinds.map { $0 } : [nil]).map { kind in
            let asked = kind.map { "ask --kind \($0)" } ?? "ask"
            return record.best(for: kind).map { "\(asked) takes: \($0.assembly.label)" }
                ?? "nothing passed for \(kind ?? "all kinds together"): \(asked) answers exact"
        }.joined(separator: "\n")
        let least = record.kinds.compactMap { record.questions[$0] }.min() ?? 0
        let grain =
            Double(least) * record.bar >= 100
            ? ""
            : "\n\nWith \(least) questions of a kind one lost answer is \(String(format: "%.1f", 100 / Double(max(1, least)))) "
                + "points: a larger --budget tells losses of \(String(format: "%.1f", record.bar)) points from none."
        return """
            exact right: \(exact.joined(separator: ", ")); lost are points against it, \(String(format: "%.1f", record.bar)) pass

            \(table.text)

            \(outcome)\(grain)
            """
    }
}
