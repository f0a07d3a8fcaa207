// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraBench

extension Bench {
    /// `tessera bench plan`: what deciding takes.
    struct Plan: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "plan", abstract: "The time to decide what is reused of a prompt of many chunks and variants.")

        @Option(name: .shortAndLong, help: "The model.", completion: .file(extensions: ["gguf"]))
        var model = "Fixtures/models/rag-mini.gguf"

        @Option(help: "Chunks in the prompt.")
        var chunks = 20

        @Option(help: "Contextual variants of each.")
        var variants = 5

        @Option(help: "Tokens of each.")
        var chunkTokens = 64

        @Option(help: "How often it is measured.")
        var runs = 20

        @Flag(help: "Print the report as JSON.")
        var json = false

        @OptionGroup var storeOptions: StoreOptions

        func validate() throws {
            guard chunks >= 1, variants >= 1, runs >= 1, chunkTokens >= 8 else {
                throw ValidationError("--chunks, --variants and --runs are at least 1, --chunk-tokens is at least 8")
            }
        }

        func run() async throws {
            let cache = try storeOptions.apart("bench").open(try ModelOptions.parse(["--model", model]))
            var bench = PlanBench()
            (bench.chunks, bench.variants, bench.chunkTokens) = (chunks, variants, chunkTokens)
            bench.runs = runs
            let report = try await bench.run(on: cache) { Notices.say("\($0)") }
            if json {
                try Console.line(try TesseraCLI.json(report))
                return
            }
            try Console.line(
                "planning \(report.chunks) chunks with \(report.variants) variants of \(report.chunkTokens) tokens each: "
                    + "\(readable(seconds: report.planSeconds)), the first time \(readable(seconds: report.firstSeconds))"
            )
        }
    }

    /// `tessera bench warm`: a second warm-up against the first.
    struct Warm: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "warm",
            abstract: "A second warm-up of an unchanged folder, against the first.",
            discussion: """
                Documents of random words are written, warmed twice into a store of their own, and removed. The smaller \
                the model, the harder the bench: what the second run costs hardly depends on it.
                """)

        @Option(name: .shortAndLong, help: "The model.", completion: .file(extensions: ["gguf"]))
        var model = "Fixtures/models/rag-mini.gguf"

        @Option(help: "Chunks in the folder.")
        var chunks = 10_000

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            guard chunks >= 1 else { throw ValidationError("--chunks is at least 1") }
        }

        func run() async throws {
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: folder) }
            var bench = WarmBench()
            bench.chunks = chunks
            let options = try StoreOptions.parse(["--store", folder.path + "/store"])
            let engine = try ModelOptions.parse(["--model", model])
            let report = try await bench.run(
                in: folder.appendingPathComponent("documents"), progress: { Notices.say($0) },
                open: { try options.open(engine) })
            try Console.line(json ? try TesseraCLI.json(report) : table(report))
        }

        private func table(_ report: WarmBench.Report) -> String {
            var table = Table(["warm-up of \(report.chunks) chunks", "chunks computed", "seconds", "to the first"])
            for row in report.results {
                table.rows.append([
                    row.name, "\(row.computedChunks)", String(format: "%.2f", row.seconds),
                    row.ratio.map { String(format: "%.4f", $0) } ?? "",
                ])
            }
            return table.text
        }
    }

    /// `tessera bench memory`: peak memory against the model's file.
    struct Memory: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "memory",
            abstract: "The most memory that a model takes while it prefills a prompt, against its file's size.")

        @OptionGroup var modelOptions: BenchModelOptions

        @Option(help: "Tokens of the prompt.")
        var promptTokens = 2048

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            guard promptTokens >= 1 else { throw ValidationError("--prompt-tokens is at least 1") }
        }

        func run() async throws {
            let file = try modelOptions.file()
            var bench = MemoryBench()
            bench.promptTokens = promptTokens
            let report = try await bench.run(on: try modelOptions.open(), modelFile: file)
            try Console.line(json ? try TesseraCLI.json(report) : lines(report))
        }

        private func lines(_ report: MemoryBench.Report) -> String {
            """
            peak       \(readable(bytes: report.peakBytes))
            model      \(readable(bytes: report.modelBytes))
            KV         \(readable(bytes: report.kvBytes)) of \(promptTokens) tokens
            ratio      \(String(format: "%.2f", report.ratio)) of the model's size, without the KV and \
            \(readable(bytes: report.allowanceBytes))
            """
        }
    }
}
