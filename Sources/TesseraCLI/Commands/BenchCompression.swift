// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraBench
import TesseraCompression
import TesseraKV

extension Bench {
    /// `tessera bench compression`: what smaller keys and values do to answers.
    struct Compression: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "compression",
            abstract: "Right answers, divergence and bytes of every press and codec, against whole keys and values.",
            discussion: """
                A line of the question file is {"system": …, "contexts": […], "questions": [{"question": …, "answers": \
                […], "kind": …}]}. With the question known, a press sees the prompt to its end; with the question \
                withheld, it sees the contexts alone, and all questions about them share what it keeps.
                """)

        @Option(name: .shortAndLong, help: "The model.", completion: .file(extensions: ["gguf"]))
        var model: String

        @OptionGroup var storeOptions: StoreOptions
        @OptionGroup var jobOptions: JobOptions

        @Option(help: "Arithmetic: auto, bf16 or fp32.")
        var precision = PrecisionName.auto

        @Option(help: "The questions, one prompt a line.", completion: .file(extensions: ["jsonl"]))
        var qa: String

        @Option(help: "Questions of each kind. By default all.")
        var perKind: Int?

        @Option(parsing: .upToNextOption, help: "How much stays where the question is known.")
        var known = ["5%", "10%", "20%"]

        @Option(parsing: .upToNextOption, help: "How much stays where the question is withheld.")
        var withheld = ["40%", "60%", "80%"]

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            for budget in known + withheld { _ = try PressBudget(budget) }
            guard perKind ?? 1 >= 1 else { throw ValidationError("--per-kind is at least 1") }
        }

        func run() async throws {
            let suite = try CompressionSuite.texts(readText(at: qa), named: qa).sample(perKind: perKind)
            let options = try ModelOptions.parse(["--model", model, "--precision", precision.rawValue])
            let cache = try storeOptions.apart("bench").open(options)
            let assets = try await heads(of: cache)
            let workers = try jobOptions.workers(beside: cache, model: options)
            let caches = workers.isEmpty ? [cache] : workers
            var report = CompressionReport()
            let benches = [
                try CompressionBench.known(known.map { try PressBudget($0) }, assets: assets, suite: "text"),
                try CompressionBench.withheld(withheld.map { try PressBudget($0) }, suite: "text"),
            ]
            for bench in benches {
                try await bench.run(suite, on: caches, into: &report) { done in
                    if done % 20 == 0 { Notices.say("\(done) of \(suite.items.count) prompts") }
                }
            }
            try Console.line(json ? try TesseraCLI.json(report) : CompressionText(report).markdown)
        }

        /// The model's retrieval heads, measured now where they never were.
        private func heads(of cache: ContextCache) async throws -> HeadAssets {
            if let known = try await cache.headAssets() { return known }
            Notices.say("measuring the model's retrieval heads (tessera calibrate heads)")
            let assets = try HeadCalibration().run(QualitySuite.builtIn, on: cache)
            try await cache.keep(assets)
            return assets
        }
    }
}

/// A compression report in Markdown.
struct CompressionText {
    private let report: CompressionReport

    init(_ report: CompressionReport) {
        self.report = report
    }

    var markdown: String {
        report.suites.map { suite in
            let questions = suite.questions.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
            return """
                \(suite.name), \(suite.model): \(questions.joined(separator: ", ")) questions about \(suite.prompts) \
                prompts of \(suite.promptTokens[0]) to \(suite.promptTokens[2]) tokens (\(suite.promptTokens[1]) in the \
                middle)

                Question known:

                \(figures(suite, questionKnown: true))

                \(ahead(suite))

                Question withheld:

                \(figures(suite, questionKnown: false))
                """
        }.joined(separator: "\n\n")
    }

    private func figures(_ suite: CompressionReport.Suite, questionKnown: Bool) -> String {
        let kinds = suite.questions.keys.sorted()
        var table = Table(
            ["method", "budget"] + kinds + ["all", "points lost", "KL mean", "KL p95", "bytes per token", "to fp16"])
        for row in report.results where row.suite == suite.name && row.questionKnown == questionKnown {
            table.rows.append(
                [row.method, row.budget ?? ""] + kinds.map { percent(row.exactMatch[$0] ?? 0) }
                    + [
                        percent(row.stepAccuracy), interval(row.loss), String(format: "%.4f", row.klMean),
                        String(format: "%.3f", row.klP95), String(format: "%.0f", row.bytesPerToken),
                        String(format: "%.3f", row.ratioToFP16),
                    ])
        }
        return table.text
    }

    private func ahead(_ suite: CompressionReport.Suite) -> String {
        var table = Table(["ahead", "budget", "of", "points"])
        for row in report.comparisons where row.suite == suite.name && row.questionKnown {
            table.rows.append([row.method, row.budget, row.than, interval(row.ahead)])
        }
        return table.text
    }

    private func interval(_ difference: PairedBootstrap) -> String {
        String(format: "%.1f (%.1f … %.1f)", difference.points, difference.low, difference.high)
    }

    private func percent(_ share: Double) -> String { String(format: "%.1f", 100 * share) }
}
