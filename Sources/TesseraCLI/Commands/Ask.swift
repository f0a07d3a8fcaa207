// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraAPI
import TesseraKV
import TesseraRetrieval
import TesseraRuntime
import TesseraSidecar

/// `tessera ask`: a question to a folder of documents.
struct Ask: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask a folder of documents.",
        discussion: """
            The chunks that fit the question best are retrieved, their stored KV is stitched into the prompt, and the \
            model answers. What the store lacks is computed for this answer and kept for the next. Behind the answer \
            stand its sources and what was reused.
            """)

    @Argument(help: "The question.")
    var question: String

    @Option(help: "Files and folders of documents; may be given several times.", completion: .directory)
    var docs: [String] = []

    @Option(
        parsing: .upToNextOption,
        help: "Screenshots (PNG), the current one last, in the place of documents; for models that see them.",
        completion: .file(extensions: ["png"]))
    var frames: [String] = []

    @Option(help: "What stands in front of each screenshot; {n} becomes its number.")
    var frameLabel = "Screen {n}:\n"

    @OptionGroup var socketOptions: SocketOptions
    @OptionGroup var modelOptions: ModelOptions
    @OptionGroup var storeOptions: StoreOptions
    @OptionGroup var chunkOptions: ChunkOptions
    @OptionGroup var assemblyOptions: AssemblyOptions
    @OptionGroup var pressOptions: PressOptions

    @Flag(help: "Use the assembly that is asked for though the model's quality gate has not passed it.")
    var ungated = false

    @Option(help: "The kind of the question, for a gate that was signed for some kinds only.")
    var kind: String?

    @Flag(help: "Say for each chunk, and for the whole prompt, what was decided and why.")
    var explain = false

    @Option(help: "The most chunks that are retrieved.")
    var limit = 6

    @Option(help: "Chunks before and behind each hit that come along.")
    var neighbours = 0

    @Option(help: "The instructions in front of the chunks; empty for none.")
    var system = AskOptions.defaultSystem

    @Option(help: "The most tokens of the answer.")
    var maxTokens = 256

    @Option(help: "0 always takes the likeliest token; higher is more varied.")
    var temperature: Double = 0

    @Option(help: "Draw from the likeliest tokens that together have this probability.")
    var topP: Double = 1

    @Option(help: "End the answer where this text appears; may be given several times.")
    var stop: [String] = []

    @Flag(help: "Print answer, sources and report as JSON.")
    var json = false

    func validate() throws {
        guard (0...10_000).contains(limit), (0...1000).contains(neighbours) else {
            throw ValidationError("--limit is between 0 and 10000, --neighbours between 0 and 1000")
        }
        guard question.contains(where: { !$0.isWhitespace }) else { throw ValidationError("the question is empty") }
        guard docs.isEmpty != frames.isEmpty else {
            throw ValidationError("ask about documents with --docs, or about screenshots with --frames")
        }
        try socketOptions.refuse(
            modelOptions.given + storeOptions.given + [("--frames", !frames.isEmpty)])
        guard maxTokens >= 1 else { throw ValidationError("--max-tokens is at least 1") }
    }

    func run() async throws {
        if try await socketOptions.withClient(run) != nil { return }
        let cache = try storeOptions.open(modelOptions)
        guard frames.isEmpty else { return try await askAboutFrames(cache) }
        let index = try cache.documentIndex(options: chunkOptions.value)
        notice(try index.sync(docs, excluding: [storeOptions.store]))
        let options = AskOptions(
            limit: limit, system: system.isEmpty ? nil : system, answer: try await answerOptions(cache))
        let result = try await cache.ask(
            question, of: index.retriever(neighbours: neighbours, under: docs), options: options, onText: stream)
        if result.sources.isEmpty { Notices.say("no chunk fits the question: the model answered without any") }
        try show(result)
    }

    /// Asks about screenshots, which are computed with the prompt.
    private func askAboutFrames(_ cache: ContextCache) async throws {
        let prompt = Prompt(
            system: system.isEmpty || system == AskOptions.defaultSystem ? nil : system,
            frames: try frames.map { try Frame(png: $0) }, label: frameLabel, question: question)
        let answer = try await cache.answer(prompt, options: try await answerOptions(cache), onText: stream)
        try show(SourcedAnswer(answer: answer, sources: []))
    }

    private func answerOptions(_ cache: ContextCache) async throws -> AnswerOptions {
        AnswerOptions(
            assembly: await assemblyOptions.value(on: cache), kind: kind, ungated: ungated,
            press: try await pressOptions.value(on: cache),
            sampling: try SamplingOptions(temperature: temperature, topP: topP, seed: assemblyOptions.seed),
            maximumTokens: maxTokens, stops: stop)
    }

    /// Writes the answer as it comes, where it is not written as JSON.
    private var stream: @Sendable (String) -> Void {
        let streams = !json
        return { piece in
            // What can't be written is an error at the end; the answer is computed all the same.
            if streams { try? Console.write(piece) }
        }
    }

    private func show(_ result: SourcedAnswer) throws {
        let answer = result.answer
        guard json else {
            try show(
                text: answer.text, ending: answer.ending.rawValue, result.sources,
                ReuseSummary(answer.report, explains: true))
            return
        }
        try Console.line(
            try TesseraCLI.json(
                Output(
                    answer: answer.text, ending: answer.ending.rawValue, sources: result.sources.map(Source.init),
                    report: answer.report)))
    }

    /// Shows what a server answered: all of it as JSON, or what comes behind a text that stands there already.
    func show(text: String, ending: String, _ sources: [RetrievedChunk], _ report: ReuseSummary) throws {
        if json {
            return try Console.line(
                try TesseraCLI.json(
                    Output(answer: text, ending: ending, sources: sources.map(Source.init), report: report)))
        }
        try Console.line("\n")
        for source in sources {
            let section = source.source.section.map { " (\($0))" } ?? ""
            try Console.line("source     \(source.source.document), chunk \(source.source.ordinal + 1)\(section)")
        }
        try Console.line(describe(report))
        if let pressed = report.pressed { try Console.line(describe(pressed)) }
        if explain, let explanation = report.explanation { try Console.line(describe(explanation)) }
    }

    private struct Source: Encodable {
        var source: ChunkSource
        var score: Double

        init(_ chunk: RetrievedChunk) {
            (source, score) = (chunk.source, chunk.score)
        }
    }

    private struct Output<Report: Encodable>: Encodable {
        var answer: String
        var ending: String
        var sources: [Source]
        var report: Report
    }
}
