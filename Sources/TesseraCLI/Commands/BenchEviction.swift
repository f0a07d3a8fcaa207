// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraBench
import TesseraEviction

extension Bench {
    /// `tessera bench eviction`: policies over generated traces.
    struct Eviction: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "eviction",
            abstract: "What eviction policies save over generated traces, and what they fall short of the best.")

        @Option(help: "Requests of each trace.")
        var requests = 200_000

        @Option(help: "Distinct objects of each trace.")
        var objects = 5000

        @Option(help: "Where chance begins.")
        var seed: UInt64 = 1

        @Flag(help: "Print the report as JSON.")
        var json = false

        func run() throws {
            var bench = EvictionBench()
            (bench.requests, bench.objects, bench.seed) = (requests, objects, seed)
            let report = try bench.run(progress: Notices.say)
            try Console.line(json ? try TesseraCLI.json(report) : text(report, bench))
        }

        private func text(_ report: EvictionBench.Report, _ bench: EvictionBench) -> String {
            let traces = report.traces.map(\.trace)
            let place = report.capacities.firstIndex(of: 0.1) ?? 0
            var saved = Table(["policy"] + traces)
            var regrets = Table(["policy"] + traces + ["all"])
            for policy in bench.policies.map(\.name) {
                saved.rows.append(
                    [policy] + traces.map { report.timeSaved(policy, $0, at: place).map { format($0, 4) } ?? "" })
                let own = report.regrets.filter { $0.policy == policy }
                let all = own.map(\.mean).reduce(0, +) / Double(max(1, own.count))
                regrets.rows.append(
                    [policy] + own.map { "\(format($0.mean, 1)) (\(format($0.worst, 1)))" }
                        + ["\(format(all, 1)) (\(format(own.map(\.worst).max() ?? 0, 1)))"])
            }
            let percents = report.capacities.map { String(format: "%g %%", 100 * $0) }.joined(separator: ", ")
            return """
                Computation time saved at a capacity of 10 % of all distinct bytes:

                \(saved.text)

                Points of time saved below the best policy, mean (worst) over capacities of \(percents):

                \(regrets.text)
                """
        }

        private func format(_ number: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", number) }
    }

    /// `tessera bench simulate`: the simulator's speed.
    struct Speed: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "simulate", abstract: "Requests a second that the simulator runs, on one thread.")

        @Option(help: "Requests.")
        var requests = 2_000_000

        @Option(help: "Distinct objects.")
        var objects = 100_000

        @Option(help: "How often each policy runs.")
        var rounds = 3

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            guard requests >= 1, objects >= 1, rounds >= 1 else {
                throw ValidationError("--requests, --objects and --rounds are at least 1")
            }
        }

        func run() throws {
            var bench = SimulationSpeed()
            (bench.requests, bench.objects, bench.rounds) = (requests, objects, rounds)
            let results = try bench.run(progress: Notices.say)
            if json { return try Console.line(TesseraCLI.json(results)) }
            var table = Table(["policy", "million requests/s"])
            for result in results {
                table.rows.append([result.policy, String(format: "%.2f", result.requestsPerSecond / 1e6)])
            }
            try Console.line(table.text)
        }
    }
}
