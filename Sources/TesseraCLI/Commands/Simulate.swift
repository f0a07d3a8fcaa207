// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraBench
import TesseraEviction
import TesseraKV

/// `tessera simulate`: eviction policies over a trace.
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run eviction policies over a trace and say what each would miss and save.",
        discussion: """
            A trace is a file of lines `time,key,bytes` under that header, with columns `cost` (seconds to compute) and \
            `namespace` if there are such; libCacheSim's oracleGeneral records; or Mooncake's lines of JSON. \
            `ask --record-trace` writes one, `tessera trace make` generates one.

            Policies: \(PolicyKind.all.map { "\($0.name) (\($0.summary))" }.joined(separator: ", ")).
            """)

    @Option(name: .shortAndLong, help: "The trace.", completion: .file())
    var trace: String

    @Option(help: "The form of the trace, if it can't be told from the file.", transform: traceFormat)
    var format: TraceFormat?

    @Option(
        name: .shortAndLong, help: "Policies, between commas, or `all`.",
        transform: { text in
            if text == "all" { return PolicyKind.all }
            return try text.split(separator: ",").map {
                try PolicyKind.named($0.trimmingCharacters(in: .whitespaces))
            }
        })
    var policy = PolicyKind.all

    @Option(
        name: .shortAndLong, help: "Capacities, between commas: bytes such as 20GB, or shares of all distinct bytes.",
        transform: Simulation.Capacity.list)
    var capacity: [Simulation.Capacity] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].map { .share($0) }

    @Flag(help: "Also what no policy can surpass: Belady's choice, and a bound for objects that differ in size.")
    var bounds = false

    @Option(help: "Seconds, or 12h or 30d, after which an object that came in is no longer there.")
    var ttl: Age?

    @Option(help: "The most that a namespace may hold, such as docs=2GB. May be repeated.")
    var quota: [Quota] = []

    @Option(help: "Uses after which an object is taken in.")
    var admitAfter = 1

    @Option(
        help:
            "Let policies demote objects to a smaller codec: the share of the bytes that is left, and of a saving that is lost."
    )
    var demote: DemotionArgument?

    @Option(help: "Where the policies' chance begins.")
    var seed: UInt64 = 1

    @Flag(help: "Print the report as JSON.")
    var json = false

    @Option(help: "Write the curves to a page.", completion: .file(extensions: ["html"]))
    var html: String?

    @Option(help: "Write the curves to a drawing.", completion: .file(extensions: ["svg"]))
    var svg: String?

    func validate() throws {
        guard !policy.isEmpty, !capacity.isEmpty else { throw ValidationError("name a policy and a capacity at least") }
        guard admitAfter >= 1 else { throw ValidationError("--admit-after is at least 1") }
    }

    func run() throws {
        var simulation = Simulation(
            policies: policy, capacities: capacity,
            rules: CacheRules(timeToLive: ttl?.seconds, admissionUses: admitAfter))
        simulation.quotas = Dictionary(quota.map { ($0.namespace, $0.bytes) }) { $1 }
        simulation.demotion = demote?.demotion
        simulation.seed = seed
        simulation.bounds = bounds
        simulation.surveys = html != nil || svg != nil
        var told = 0
        let report = try simulation.run(TraceFile(trace, format: format)) { requests in
            guard requests - told >= 10_000_000 else { return }
            told = requests
            Notices.say("\(requests) requests so far")
        }
        let page = SimulationPage(report, of: URL(fileURLWithPath: trace).lastPathComponent)
        if let html { try writeFile(Data(page.html.utf8), to: html) }
        if let svg { try writeFile(Data(page.svg.utf8), to: svg) }
        report.notes.forEach { Notices.say($0) }
        try Console.line(json ? try TesseraCLI.json(report) : table(report))
    }

    private func table(_ report: SimulationReport) -> String {
        var table = Table(["capacity", "policy", "missed", "bytes missed", "time saved", "evictions", "demotions"])
        let hasDemotions = report.results.contains { $0.demotions ?? 0 > 0 }
        if !hasDemotions { table.header.removeLast() }
        for result in report.results {
            var row = [
                capacityText(result.capacity, report), result.policy, String(format: "%.4f", result.missRatio),
                String(format: "%.4f", result.byteMissRatio), String(format: "%.4f", result.timeSaved),
                result.evictions.map(String.init) ?? "",
            ]
            if hasDemotions { row.append(result.demotions.map(String.init) ?? "") }
            table.rows.append(row)
        }
        let objects = report.objects.map { " for \($0) objects" } ?? ""
        let bytes = report.distinctBytes.map { " of \(readable(bytes: $0)) together" } ?? ""
        return "\(report.requests) requests\(objects)\(bytes)\n\n\(table.text)"
    }

    private func capacityText(_ bytes: Int, _ report: SimulationReport) -> String {
        guard let all = report.distinctBytes, all > 0 else { return readable(bytes: bytes) }
        return String(format: "%@ (%.3g %%)", readable(bytes: bytes), 100 * Double(bytes) / Double(all))
    }
}

/// The form of a trace by its name.
func traceFormat(_ name: String) throws -> TraceFormat {
    guard let format = TraceFormat.allCases.first(where: { $0.rawValue.lowercased() == name.lowercased() }) else {
        throw ValidationError(
            "a trace is of the form \(TraceFormat.allCases.map(\.rawValue).joined(separator: ", ")); \(name) is none")
    }
    return format
}

/// A tenant's quota: `docs=2GB`.
struct Quota: ExpressibleByArgument {
    var namespace: String
    var bytes: Int

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let count = ByteCount(argument: String(parts[1])), count.bytes > 0 else { return nil }
        (namespace, bytes) = (String(parts[0]), count.bytes)
    }
}

/// What a smaller codec makes of objects: `0.54`, or `0.54:0.05` with what is lost.
struct DemotionArgument: ExpressibleByArgument {
    var demotion: Demotion

    init?(argument: String) {
        let parts = argument.split(separator: ":", maxSplits: 1).map { Double($0) }
        guard let size = parts.first ?? nil, size > 0, size < 1 else { return nil }
        let loss = parts.count == 2 ? parts[1] : 0.05
        guard let loss, (0...1).contains(loss) else { return nil }
        demotion = Demotion(size: size, loss: loss)
    }
}
