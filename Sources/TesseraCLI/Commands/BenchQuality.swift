// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraBench
import TesseraKV

extension Bench {
    /// `tessera bench quality`: what reuse does to answers.
    struct Quality: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "quality",
            abstract: "Right answers, divergence and time of every way to reuse KV, against a full prefill.",
            discussion: """
                A line of the question file is {"system": …, "contexts": […], "question": …, "answers": […], "kind": …}. \
                Contexts are encoded without the question; for storedScore also behind contexts of other questions. Each \
                selector stands beside random selection at the same effective recompute, question by question.
                """)

        @Option(name: .shortAndLong, help: "The model.", completion: .file(extensions: ["gguf"]))
        var model: String

        @OptionGroup var storeOptions: StoreOptions
        @OptionGroup var jobOptions: JobOptions

        @Option(help: "Arithmetic: auto, bf16 or fp32.")
        var precision = PrecisionName.auto

        @Option(
            help: "The questions, one JSON object a line. By default those of the quality gate.",
            completion: .file(extensions: ["jsonl"]))
        var qa: String?

        @Option(help: "Questions of each kind. By default all.")
        var perKind: Int?

        @Option(parsing: .upToNextOption, help: "The shares that selectors recompute.")
        var ratios = [0.15, 0.3]

        @Option(
            parsing: .upToNextOption, help: "Only the ways whose names begin so, as the table has them. By default all."
        )
        var only: [String] = []

        @Option(help: "How many contexts of other questions each context is encoded behind for storedScore.")
        var neighbours = 3

        @Option(help: "How often that is done, each time behind others.")
        var passes = 4

        @Flag(inversion: .prefixedNo, help: "Compare selectors with random selection at equal effective recompute.")
        var controls = true

        @Option(help: "Questions that are timed.")
        var timed = 24

        @Option(
            help: "Also write a page with plots, which stands alone in a browser.",
            completion: .file(extensions: ["html"]))
        var html: String?

        @Option(help: "Also write the plots alone, as a drawing.", completion: .file(extensions: ["svg"]))
        var svg: String?

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            try validateOutputs([html, svg])
            guard ratios.allSatisfy({ (0...1).contains($0) }) else {
                throw ValidationError("--ratios are between 0 and 1")
            }
            guard perKind ?? 1 >= 1, timed >= 0 else { throw ValidationError("--per-kind is at least 1, --timed 0") }
            guard (0...64).contains(neighbours), (1...64).contains(passes) else {
                throw ValidationError("--neighbours is between 0 and 64, --passes between 1 and 64")
            }
        }

        func run() async throws {
            let suite = try qa.map { try QualitySuite.read(readText(at: $0), named: $0) } ?? QualitySuite.builtIn
            let questions = QualitySuite.sample(suite, perKind: perKind)
            let options = try ModelOptions.parse(["--model", model, "--precision", precision.rawValue])
            let cache = try storeOptions.apart("bench").open(options)
            let settings = await cache.parallelSettings()
            if settings == nil {
                Notices.say("parallel contexts are not calibrated here; T = S = 1 (tessera calibrate)")
            }
            var bench = QualityBench(
                QualityBench.standard(
                    layers: cache.model.layout.layers, ratios: ratios,
                    parallel: (settings?.temperature ?? 1, settings?.scale ?? 1)))
            if !only.isEmpty { bench.assemblies.removeAll { way in !only.contains { way.label.hasPrefix($0) } } }
            guard !bench.assemblies.isEmpty else {
                throw TesseraError(.invalidInput, "--only names no way that the bench has")
            }
            bench.passes = passes
            (bench.neighbours, bench.controls, bench.timed) = (neighbours, controls, timed)
            let total = questions.count
            let workers = try jobOptions.workers(beside: cache, model: options)
            let report = try await bench.run(questions, on: cache, workers: workers) { done in
                if done % 100 == 0 { Notices.say("\(done) of \(total) questions") }
            }
            try Console.line(json ? try TesseraCLI.json(report) : QualityText(report).markdown)
            if let html { try writeFile(Data(QualityPage(report).html.utf8), to: html) }
            if let svg { try writeFile(Data(QualityPage(report).svg.utf8), to: svg) }
        }
    }
}

/// A quality report in Markdown.
struct QualityText {
    private let report: QualityReport

    init(_ report: QualityReport) {
        self.report = report
    }

    var markdown: String {
        """
        \(report.model): \(report.kinds.map { "\(report.questions[$0] ?? 0) \($0)" }.joined(separator: ", ")) questions, \
        prompts of \(report.promptTokens[0]) to \(report.promptTokens[2]) tokens (\(report.promptTokens[1]) in the middle)

        \(([figures] + report.remarks).joined(separator: "\n\n"))

        Points lost against exact, with 95 % intervals of the paired differences:

        \(losses)
        """
            + (report.results.contains { $0.random != nil }
                ? """


                Random selection at the same effective recompute, and where the selector does not beat it:

                \(controls)
                """ : "")
    }

    private var figures: String {
        var table = Table(
            ["way"] + report.kinds
                + ["KL mean", "KL p95", "top-1 agreement", "ratio", "effective recompute", "TTFT ms", "speedup"])
        for row in report.results {
            table.rows.append([row.label] + report.kinds.map { percent(row.exactMatch[$0]) } + numbers(of: row))
        }
        return table.text
    }

    private func numbers(of row: QualityReport.Result) -> [String] {
        func number(_ format: String, _ value: Double?) -> String {
            value.map { String(format: format, $0) } ?? ""
        }
        return [
            number("%.4f", row.klMean), number("%.4f", row.klP95), number("%.3f", row.top1Agreement),
            number("%.2f", row.ratio), number("%.3f", row.effectiveRecompute),
            number("%.1f", row.ttft.map { $0 * 1000 }), number("%.2f", row.speedup),
        ]
    }

    private var losses: String {
        var table = Table(["way"] + report.kinds)
        for row in report.results.dropFirst() {
            table.rows.append(
                [row.label]
                    + report.kinds.map { kind in
                        row.loss[kind].map { String(format: "%.1f (%.1f … %.1f)", $0.points, $0.low, $0.high) } ?? ""
                    })
        }
        return table.text
    }

    private var controls: String {
        var table = Table(["way"] + report.kinds.map { "\($0), random" } + ["KL, random", "not better on"])
        for row in report.results {
            guard let random = row.random else { continue }
            table.rows.append(
                [row.label] + report.kinds.map { percent(random.exactMatch[$0]) }
                    + [String(format: "%.4f", random.klMean), random.unbeaten.joined(separator: ", ")])
        }
        return table.text
    }

    private func percent(_ share: Double?) -> String {
        share.map { String(format: "%.1f", 100 * $0) } ?? ""
    }
}
