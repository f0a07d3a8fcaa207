// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraBench
import TesseraKV

/// `tessera bench`: figures, each against a baseline in the same run.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure on this machine.",
        subcommands: [
            TTFT.self, Quality.self, Compression.self, Trace.self, Plan.self, Engine.self, Warm.self, Memory.self,
            Store.self,
            Catalog.self, Eviction.self, Speed.self, Sidecar.self,
        ])
}

/// The model that is measured, as options.
struct BenchModelOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, help: "The model; by default random weights at Llama-3.2-1B's shape.",
        completion: .file(extensions: ["gguf"]))
    var model: String?

    @Option(help: "How the weights of the random model are written: bf16 or q8_0.")
    var type = WeightType.bf16

    @OptionGroup var storeOptions: StoreOptions

    enum WeightType: String, ExpressibleByArgument, CaseIterable {
        case bf16
        case q8 = "q8_0"
    }

    func validate() throws {
        guard model == nil || type == .bf16 else { throw ValidationError("--type is for the random model") }
    }

    private var store: StoreOptions { storeOptions.apart("bench") }

    /// Opens the model that was named, or one with random weights that is made once beside the store.
    func open() throws -> ContextCache {
        try store.open(try ModelOptions.parse(["--model", try file()]))
    }

    /// The model's file, made if need be.
    func file() throws -> String {
        if let model { return model }
        let store = URL(fileURLWithPath: store.store)
        try FileManager.default.createDirectory(
            at: store.deletingLastPathComponent(), withIntermediateDirectories: true)
        var random = RandomModel.llama1B
        if type == .q8 { random.type = .q8_0 }
        let path = store.path + "-random-1b-\(type.rawValue).gguf"
        if !FileManager.default.fileExists(atPath: path) { Notices.say("making \(path)") }
        try random.write(to: path)
        return path
    }
}

extension Bench {
    /// `tessera bench ttft`: time to first token.
    struct TTFT: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ttft",
            abstract: "Time to the first token, stitched against a full prefill.",
            discussion: """
                Without --model, a file of Llama-3.2-1B's shape with random weights is made once (2.5 GB) beside the store. The ideal of each row is the time, in the same run, of an exact-prefix hit from RAM that \
                computes as many tokens in each layer behind the same keys.
                """)

        @OptionGroup var modelOptions: BenchModelOptions

        @Option(help: "Contexts in the prompt.")
        var chunks = 6

        @Option(help: "Tokens of each context.")
        var chunkTokens = 512

        @Option(help: "Tokens of the question.")
        var questionTokens = 64

        @Option(help: "How often each assembly runs.")
        var runs = 3

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            guard chunks >= 1, chunkTokens >= 1, questionTokens >= 1, runs >= 1 else {
                throw ValidationError("--chunks, --chunk-tokens, --question-tokens and --runs are at least 1")
            }
        }

        func run() async throws {
            let cache = try modelOptions.open()
            var bench = TTFTBench()
            (bench.chunks, bench.chunkTokens) = (chunks, chunkTokens)
            (bench.questionTokens, bench.runs) = (questionTokens, runs)
            let report = try await bench.run(on: cache) { Notices.say("\($0)") }
            try Console.line(json ? try TesseraCLI.json(report) : table(report))
        }

        private func table(_ report: TTFTBench.Report) -> String {
            var table = Table([
                "assembly", "selector", "ratio", "effective recompute", "TTFT s", "ideal s", "TTFT/ideal", "speedup",
            ])
            for row in report.results {
                table.rows.append([
                    row.assembly, row.selector ?? "", row.ratio.map { String(format: "%.2f", $0) } ?? "",
                    String(format: "%.3f", row.effectiveRecompute), String(format: "%.3f", row.ttftSeconds),
                    String(format: "%.3f", row.idealSeconds),
                    String(format: "%.2f", row.ttftSeconds / row.idealSeconds), String(format: "%.2f", row.speedup),
                ])
            }
            return table.text
        }
    }

    /// `tessera bench engine`: prefill and warm-up rates.
    struct Engine: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "engine", abstract: "Prefill rates, and warm-up against them.")

        @OptionGroup var modelOptions: BenchModelOptions

        @Option(help: "Tokens of the prompt.")
        var promptTokens = 2048

        @Option(help: "Tokens of a chunk.")
        var chunkTokens = 512

        @Option(help: "Chunks of one warm-up.")
        var chunks = 6

        @Option(help: "How often each is measured.")
        var runs = 3

        @Option(
            help: ArgumentHelp(
                "A shell command that prefills as many tokens with another engine and prints its tokens per second.",
                discussion: "It is run in turns with ours; $TOKENS is the length of the prompt."))
        var reference: String?

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            guard promptTokens >= 1, chunkTokens >= 1, chunks >= 1, runs >= 1 else {
                throw ValidationError("--prompt-tokens, --chunk-tokens, --chunks and --runs are at least 1")
            }
        }

        func run() async throws {
            let cache = try modelOptions.open()
            var bench = EngineBench()
            (bench.promptTokens, bench.chunkTokens) = (promptTokens, chunkTokens)
            (bench.chunks, bench.runs) = (chunks, runs)
            if let reference { bench.reference = { try rate(of: reference, tokens: $0) } }
            let report = try await bench.run(on: cache) { Notices.say("\($0)") }
            if json {
                try Console.line(try TesseraCLI.json(report))
                return
            }
            var table = Table(["what", "tokens/s", "reference", "ratio"])
            for row in report.results {
                table.rows.append([
                    row.name, String(format: "%.1f", row.tokensPerSecond),
                    row.reference.map { String(format: "%.1f", $0) } ?? "",
                    row.ratio.map { String(format: "%.2f", $0) } ?? "",
                ])
            }
            try Console.line(table.text)
        }
    }
}

/// The number that a shell command prints last.
private func rate(of command: String, tokens: Int) throws -> Double {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command]
    process.environment = ProcessInfo.processInfo.environment.merging(["TOKENS": "\(tokens)"]) { $1 }
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0,
        let rate = text.split(whereSeparator: \.isWhitespace).last.flatMap({ Double($0) })
    else { throw TesseraError(.invalidInput, "the reference command failed or printed no number: \(command)") }
    return rate
}
