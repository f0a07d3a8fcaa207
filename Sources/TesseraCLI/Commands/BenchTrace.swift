// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraBench
import TesseraKV

extension Bench {
    /// `tessera bench trace`: what a capped store removes of the prompts' computation.
    struct Trace: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "trace",
            abstract: "Replay a retrieval trace under a cap: full prefill, prefix caching, stitching.",
            discussion: """
                A line of the chunk file is {"id": …, "text": …}, one of the request file {"system": …, "chunks": [ids], \
                "question": …, "answers": […], "kind": …}. The store begins empty in a temporary folder; chunks that a \
                request had to compute are kept as they stood there, and those worth least leave.
                """)

        @Option(name: .shortAndLong, help: "The model.", completion: .file(extensions: ["gguf"]))
        var model = "Fixtures/models/rag-mini.gguf"

        @Option(help: "The chunks.", completion: .file(extensions: ["jsonl"]))
        var chunks = "Fixtures/traces/zipf/chunks.jsonl"

        @Option(help: "The requests.", completion: .file(extensions: ["jsonl"]))
        var requests = "Fixtures/traces/zipf/requests.jsonl"

        @OptionGroup var assemblyOptions: AssemblyOptions

        @Option(help: "The cap, as a share of the bytes of all distinct chunks.")
        var cap = 0.5

        @Option(help: "How many contextual variants are kept of a chunk; 0 keeps chunks that were encoded alone.")
        var keep = 0

        @Option(help: "In how many of its contexts a chunk's attention is seen for storedScore.")
        var passes = 4

        @Option(help: "Requests whose answers are compared.")
        var answered = 500

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            guard cap > 0, cap.isFinite else { throw ValidationError("--cap is more than 0") }
            guard keep >= 0, passes >= 0, answered >= 0 else {
                throw ValidationError("--keep, --passes and --answered are 0 or more")
            }
        }

        func run() async throws {
            let trace = try RetrievalTrace(
                chunks: readText(at: chunks), named: chunks, requests: readText(at: requests), named: requests)
            var bench = TraceBench()
            (bench.cap, bench.answered) = (cap, answered)
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: folder) }
            var opened = 0
            func open(_ budget: Int?) throws -> ContextCache {
                opened += 1
                return try ContextCache(
                    model: model, store: folder.appendingPathComponent("\(opened)").path,
                    options: ContextCacheOptions(
                        chunkBudget: budget, contextualVariants: keep, scorePasses: passes, logger: Notices.logger))
            }
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let cache = try open(nil)
            if let wanted = await assemblyOptions.value(on: cache) { bench.assembly = wanted }
            await cache.close()
            let report = try await bench.run(trace, open: open) { Notices.say("\($0)") }
            try Console.line(json ? try TesseraCLI.json(report) : text(report))
        }

        private func text(_ report: TraceBench.Report) -> String {
            var table = Table([
                "way", "prompt compute", "removed of full", "removed of prefix caching", "captured besides",
                "chunks found",
                "right", "points lost",
            ])
            for row in report.results {
                table.rows.append([
                    row.name, String(format: "%.3f", row.computed), String(format: "%.3f", row.removedOfFull),
                    String(format: "%.3f", row.removedOfPrefix), String(format: "%.3f", row.captured),
                    String(format: "%.3f", row.hitRatio), row.exactMatch.map { String(format: "%.3f", $0) } ?? "",
                    row.loss.map { String(format: "%.1f (%.1f … %.1f)", $0.points, $0.low, $0.high) } ?? "",
                ])
            }
            return """
                \(report.requests) requests of \(report.chunks) chunks, the most popular 5 % of which are \
                \(String(format: "%.0f", 100 * report.popularShare)) % of retrievals; a cap of \
                \(readable(bytes: report.capBytes)) for \(readable(bytes: report.distinctBytes)) of distinct KV; \
                \(report.answered) answers compared

                \(table.text)
                """
        }
    }
}
