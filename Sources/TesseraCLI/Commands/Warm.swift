// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraKV
import TesseraRetrieval

/// `tessera warm`: fills the store ahead of the questions.
struct Warm: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compute and keep the KV of all documents in some folders.",
        discussion: """
            Text, Markdown and HTML files are cut into chunks; the KV of each chunk that the store lacks is computed and \
            kept. It can be stopped at any time and begun again. Files that did not change are not read; of those that \
            did, only chunks with new content are computed.
            """)

    @Argument(help: "Files and folders.", completion: .file())
    var paths: [String]

    @OptionGroup var socketOptions: SocketOptions
    @OptionGroup var modelOptions: ModelOptions
    @OptionGroup var storeOptions: StoreOptions
    @OptionGroup var chunkOptions: ChunkOptions

    @Option(help: "Also keep the KV of this system prompt, as the leading run of prompts that begin with it.")
    var system: String?

    @Option(
        help: """
            Also see each chunk in so many contexts, for storedScore: behind the chunks before it, then behind those most \
            like it. Some kilobytes a chunk are kept, no KV; 4 is enough.
            """)
    var scores = 0

    @Option(help: "Also keep each chunk's KV behind so many chunks that are most like it (--variants contextual).")
    var neighbours = 0

    @Flag(help: "Only say how many chunks, tokens and bytes it would be.")
    var dryRun = false

    @Flag(help: "Release chunks that no document holds any more.")
    var prune = false

    @Flag(help: "Take what fits the store's cap where not everything does.")
    var fit = false

    @Option(
        help:
            "With --fit: a file of past questions, one a line (plain, or JSON with \"question\"); the chunks that they retrieve most come first.",
        completion: .file())
    var retrievalLog: String?

    @Flag(help: "Print the outcome as JSON.")
    var json = false

    func validate() throws {
        guard (0...64).contains(neighbours) else { throw ValidationError("--neighbours is between 0 and 64") }
        guard (0...64).contains(scores) else { throw ValidationError("--scores is between 0 and 64") }
        try socketOptions.refuse(
            modelOptions.given + storeOptions.given + [
                ("--scores", scores > 0), ("--neighbours", neighbours > 0), ("--dry-run", dryRun), ("--prune", prune),
                ("--fit", fit),
            ])
        guard retrievalLog == nil || fit else { throw ValidationError("--retrieval-log needs --fit") }
    }

    func run() async throws {
        if try await socketOptions.withClient(run) != nil { return }
        let cache = try storeOptions.open(modelOptions)
        let index = try cache.documentIndex(options: chunkOptions.value)
        let synced = try index.sync(paths, excluding: [storeOptions.store])
        notice(synced)
        let plan = try await cache.warmPlan(of: index, under: paths)
        if dryRun {
            try Console.line(json ? try TesseraCLI.json(plan) : describe(plan))
            return
        }
        let start = ContinuousClock.now
        var progress = ProgressLine(total: plan.missingChunks)
        let done = try await cache.warm(
            index, under: paths, fit: fit, questions: try retrievalLog.map(questions) ?? [],
            progress: { progress.show($0.chunks, "\($0.tokens) tokens, \(readable(bytes: $0.bytes))") })
        let computing = (ContinuousClock.now - start) / .seconds(1)
        var seen = ProgressLine(total: scores > 0 ? plan.chunks : 0)
        let scored = try await cache.warmScores(index, under: paths, passes: scores) {
            seen.show($0.chunks, "scores")
        }
        var behind = ProgressLine(total: neighbours > 0 ? plan.chunks : 0)
        let variants = try await cache.warmBehindNeighbours(index, under: paths, count: neighbours, fit: fit) {
            behind.show($0.chunks, "behind their neighbours")
        }
        if let system, try await cache.ingest(system: .text(system)) == nil {
            Notices.say("the system prompt is not kept: it is so short that computing it costs less than finding it")
        }
        let released = prune ? try await cache.prune() : 0
        try report(
            Outcome(
                plan: plan, computedChunks: done.chunks, computedTokens: done.tokens, computedBytes: done.bytes,
                scoredChunks: scored.chunks, scoredBytes: scored.bytes, contextualChunks: variants.chunks,
                releasedChunks: released, computeSeconds: computing,
                seconds: (ContinuousClock.now - start) / .seconds(1)))
    }

    private struct Outcome: Encodable {
        var plan: WarmPlan
        var computedChunks, computedTokens, computedBytes, scoredChunks, scoredBytes, contextualChunks: Int
        var releasedChunks: Int
        /// Of computing chunks alone, and of everything.
        var computeSeconds, seconds: Double
    }

    private func report(_ outcome: Outcome) throws {
        if json {
            try Console.line(try TesseraCLI.json(outcome))
            return
        }
        try Console.line(describe(outcome.plan))
        let (tokens, seconds) = (outcome.computedTokens, outcome.computeSeconds)
        let rate = seconds > 0 && tokens > 0 ? String(format: " (%.0f tokens/s)", Double(tokens) / seconds) : ""
        try Console.line(
            "computed   \(outcome.computedChunks) chunks, \(tokens) tokens, "
                + "\(readable(bytes: outcome.computedBytes)) in \(readable(seconds: seconds))\(rate)")
        if scores > 0 {
            let bytes = readable(bytes: outcome.scoredBytes)
            try Console.line("scores     \(outcome.scoredChunks) chunks seen among others, \(bytes)")
        }
        if neighbours > 0 { try Console.line("behind     \(outcome.contextualChunks) chunks behind their neighbours") }
        if prune { try Console.line("released   \(outcome.releasedChunks) chunks that no document holds any more") }
    }

    private func describe(_ plan: WarmPlan) -> String {
        """
        documents  \(plan.documents)
        chunks     \(plan.chunks), \(plan.tokens) tokens
        missing    \(plan.missingChunks) chunks, \(plan.missingTokens) tokens, \(readable(bytes: plan.missingBytes))
        room       \(readable(bytes: plan.roomBytes))
        """ + (neighbours > 0 ? "\nbehind     at most \(plan.chunks) chunks, \(readable(bytes: plan.bytes)) more" : "")
    }

    /// The questions of a log, one a line.
    private func questions(of path: String) throws -> [String] {
        struct Line: Decodable { var question: String }
        let lines = try readText(at: path).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        return try lines.enumerated().filter { !$0.element.isEmpty }.map { number, line in
            guard line.hasPrefix("{") else { return String(line) }
            return try readJSON(Line.self, from: Data(line.utf8), named: "\(path), line \(number + 1),").question
        }
    }
}
