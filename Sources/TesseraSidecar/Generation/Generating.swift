// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Hummingbird
internal import Tessera
internal import TesseraAPI
internal import TesseraKV
internal import TesseraRuntime
internal import Tracing

/// What a client wants to have written.
struct WantedAnswer: Sendable {
    let prompt: Prompt
    /// Whether the prompt template lays it out.
    let laidOut: Bool
    let options: AnswerOptions
    let caller: Caller
    /// Whether the client wants to know why it came about as it did.
    let explains: Bool
}

/// An answer that is being written for a client.
struct AnswerUnderWay: Sendable {
    let started: StartedAnswer
    let wanted: WantedAnswer
    /// When it was begun, in seconds since 1970.
    let created = Int(Date().timeIntervalSince1970)
    private let number = UUID()

    init(_ started: StartedAnswer, _ wanted: WantedAnswer) {
        (self.started, self.wanted) = (started, wanted)
    }

    /// Its id, with the beginning that its kind has.
    func id(_ kind: String) -> String {
        "\(kind)-\(number.uuidString.lowercased().replacing("-", with: ""))"
    }
}

/// What the events of an answer look like.
protocol AnswerEvents: Sendable {
    /// Whether a last event has the usage.
    var includesUsage: Bool { get }
    /// Writes what comes before any text.
    func opening(_ events: inout EventStream) async throws
    /// Writes more of the text.
    func text(_ text: String, _ events: inout EventStream) async throws
    /// Writes the end.
    func ending(_ answer: Answer, _ reuse: ReuseSummary, _ events: inout EventStream) async throws
    /// Writes the usage.
    func usage(_ usage: Usage, _ events: inout EventStream) async throws
}

extension SidecarState {
    /// Computes a prompt up to the first token of its answer: what goes wrong here has a status of its own.
    func begin(_ wanted: WantedAnswer) async throws -> AnswerUnderWay {
        let cache = wanted.caller.cache
        let start = ContinuousClock.now
        let tokens = try await withSpan("tokenize") { _ in
            try await cache.tokens(of: wanted.prompt, laidOut: wanted.laidOut)
        }
        let tokenized = (ContinuousClock.now - start).seconds
        var started = try await withSpan("prefill") { span in
            let started = try await cache.begin(tokens, options: wanted.options)
            span.attributes["tessera.prompt_tokens"] = started.report.promptTokens
            span.attributes["tessera.reused_tokens"] = started.report.reusedTokens
            return started
        }
        started.report.add(tokenizing: tokenized)
        return AnswerUnderWay(started, wanted)
    }

    /// Writes an answer to its end and has kept what was missing.
    func finish(
        _ answer: AnswerUnderWay, onText: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws -> (response: Tessera.Response, reuse: ReuseSummary) {
        let (caller, started) = (answer.wanted.caller, answer.started)
        let response = try await withSpan("decode") { span in
            let response = try await caller.cache.finish(started) { piece in
                if !piece.text.isEmpty { onText(piece.text) }
            }
            span.attributes["tessera.generated_tokens"] = response.answer.tokens.count
            return response
        }
        keeper.keep { await caller.cache.keep(response) }
        let report = response.answer.report
        metrics.count(report, generated: response.answer.tokens.count, namespace: caller.tenant.namespace)
        let stages = report.stages
        RequestAccount.current?.spent(stages.queue + stages.load + stages.prefill + stages.decode)
        return (response, ReuseSummary(report, explains: answer.wanted.explains))
    }

    /// A response that is written while the answer is.
    func stream<Events: AnswerEvents>(
        _ wanted: WantedAnswer, _ context: SidecarContext, _ form: (AnswerUnderWay) -> Events
    ) async throws -> Hummingbird.Response {
        let answer = try await context.whileHeard { try await self.begin(wanted) }
        let form = form(answer)
        let account = RequestAccount.current
        return EventStream.response { events in
            try await RequestAccount.$current.withValue(account) {
                try await self.write(answer, context, form, to: &events)
            }
        }
    }

    private func write(
        _ answer: AnswerUnderWay, _ context: SidecarContext, _ form: some AnswerEvents, to events: inout EventStream
    ) async throws {
        try await form.opening(&events)
        let (pieces, writer) = AsyncStream<String>.makeStream()
        async let finished = finishing(answer, context, writer)
        for await piece in pieces { try await form.text(piece, &events) }
        let (response, reuse) = try await finished
        try await form.ending(response.answer, reuse, &events)
        if form.includesUsage { try await form.usage(response.answer.usage, &events) }
        try await events.sendDone()
    }

    private func finishing(
        _ answer: AnswerUnderWay, _ context: SidecarContext, _ writer: AsyncStream<String>.Continuation
    ) async throws -> (response: Tessera.Response, reuse: ReuseSummary) {
        defer { writer.finish() }
        return try await context.whileHeard { try await self.finish(answer) { writer.yield($0) } }
    }
}

extension Answer {
    /// The tokens that it took.
    var usage: Usage {
        Usage(
            promptTokens: report.promptTokens, completionTokens: tokens.count, cachedTokens: report.prefixTokens)
    }
}

extension TokenGenerator.End {
    /// Why an answer ended, in OpenAI's words.
    var reason: String {
        switch self {
        case .length: "length"
        default: "stop"
        }
    }
}
