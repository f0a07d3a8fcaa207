// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraBench
import TesseraRetrieval
import TesseraReuse

/// `tessera demo`: the whole path on real documents, every assembly side by side.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Warm a folder of documents, ask questions of each kind, and compare the assemblies.",
        discussion: """
            Each question is asked with a full prefill and with stitched chunks under several selectors. A line of the \
            question file is {"question": …, "answers": […], "kind": …}. By default the fixtures of the source tree \
            are used, found from the current folder, and a store of the demo's own, tessera-demo in the user's cache \
            folder.
            """)

    @Option(name: .shortAndLong, help: "The model.", completion: .file(extensions: ["gguf"]))
    var model = "Fixtures/models/rag-mini.gguf"

    @Option(help: "The documents.", completion: .directory)
    var docs = "Fixtures/corpus"

    @Option(help: "The questions, one JSON object a line.", completion: .file(extensions: ["jsonl"]))
    var questions = "Fixtures/qa/corpus.jsonl"

    @OptionGroup var storeOptions: StoreOptions
    @Option(help: "The most tokens of a chunk.")
    var chunkTokens = 128

    @Option(help: "packed: paragraphs share a chunk as long as they fit; separate: each begins its own.")
    var paragraphs = ChunkOptions.Paragraphs.separate

    @Option(help: "A second layer in which deviation is measured, beside the paper's layer 1 and if the model has it.")
    var checkLayer = 4

    @Option(help: "The most chunks that are retrieved for a question.")
    var limit = 1

    @Option(help: "Chunks before and behind each hit that come along.")
    var neighbours = 5

    @Flag(help: "Print the results as JSON.")
    var json = false

    func run() async throws {
        let storeOptions = storeOptions.apart("demo")
        let cache = try storeOptions.open(try ModelOptions.parse(["--model", model]))
        let index = try cache.documentIndex(
            options: ChunkingOptions(limit: chunkTokens, paragraphs: paragraphs.value))
        notice(try index.sync([docs], excluding: [storeOptions.store]))
        let plan = try await cache.warmPlan(of: index, under: [docs])
        var progress = ProgressLine(total: plan.missingChunks)
        let done = try await cache.warm(
            index, under: [docs],
            progress: { progress.show($0.chunks, "\($0.tokens) tokens, \(readable(bytes: $0.bytes))") })
        let scored = try await cache.warmScores(index, under: [docs])
        Notices.say("scores: \(scored.chunks) chunks seen among others now")
        Notices.say("warm: \(plan.chunks) chunks of \(plan.documents) documents, \(done.chunks) computed now")

        let suite = try Questions.read(readText(at: questions), named: questions)
        var bench = ComparisonBench(retriever: index.retriever(neighbours: neighbours, under: [docs]), limit: limit)
        if checkLayer > 1, checkLayer < cache.model.layout.layers {
            bench.assemblies.append(.stitched(.deviation(layer: checkLayer), ratio: 0.15, variants: .isolated))
        }
        let results = try await bench.run(suite, on: cache)
        try Console.line(json ? try TesseraCLI.json(results) : table(results))
    }

    func validate() throws {
        guard (0...10_000).contains(limit), (0...1000).contains(neighbours) else {
            throw ValidationError("--limit is between 0 and 10000, --neighbours between 0 and 1000")
        }
        guard checkLayer >= 1 else { throw ValidationError("--check-layer is 1 or more") }
    }

    private func table(_ report: ComparisonBench.Report) -> String {
        let kinds = report.kinds
        var table = Table(
            ["assembly", "selector"] + kinds.map { "\($0) right" }
                + ["KL to exact", "tokens recomputed", "effective recompute", "TTFT ms", "TTFT to exact"])
        for row in report.results {
            table.rows.append(
                [row.assembly, selector(of: row)]
                    + kinds.map { kind in "\(row.right[kind] ?? 0)/\(report.questions[kind] ?? 0)" }
                    + [
                        String(format: "%.4f", row.klMean), String(format: "%.1f", row.recomputedTokens),
                        String(format: "%.2f", row.effectiveRecompute), String(format: "%.1f", row.ttftSeconds * 1000),
                        String(format: "%.2f", row.ttftToExact),
                    ])
        }
        return table.text
    }

    private func selector(of row: ComparisonBench.Result) -> String {
        var text = row.selector ?? ""
        if let ratio = row.ratio { text += " \(Int(ratio * 100)) %" }
        if let layer = row.checkLayer, layer != Selector.firstCheckLayer { text += " at layer \(layer)" }
        return text
    }
}
