// SPDX-License-Identifier: Apache-2.0

internal import Tessera
internal import TesseraAPI

/// The events of a chat.
struct ChatEvents: AnswerEvents {
    private let id: String
    private let created: Int
    private let model: String
    let includesUsage: Bool

    init(_ answer: AnswerUnderWay, _ model: String, _ sampling: SamplingFields) {
        (id, created, self.model) = (answer.id("chatcmpl"), answer.created, model)
        includesUsage = sampling.streamOptions?.includeUsage ?? false
    }

    func opening(_ events: inout EventStream) async throws {
        try await events.send(event([.init(delta: .init(role: "assistant", content: ""))]))
    }

    func text(_ text: String, _ events: inout EventStream) async throws {
        try await events.send(event([.init(delta: .init(content: text))]))
    }

    func ending(_ answer: Answer, _ reuse: ReuseSummary, _ events: inout EventStream) async throws {
        var last = event([.init(delta: .init(), finishReason: answer.ending.reason)])
        last.tessera = reuse
        try await events.send(last)
    }

    func usage(_ usage: Usage, _ events: inout EventStream) async throws {
        var last = event([])
        last.usage = usage
        try await events.send(last)
    }

    private func event(_ choices: [ChatEvent.Choice]) -> ChatEvent {
        ChatEvent(id: id, created: created, model: model, choices: choices)
    }
}

/// The events of a completion.
struct CompletionEvents: AnswerEvents {
    private let id: String
    private let created: Int
    private let model: String
    let includesUsage: Bool

    init(_ answer: AnswerUnderWay, _ model: String, _ sampling: SamplingFields) {
        (id, created, self.model) = (answer.id("cmpl"), answer.created, model)
        includesUsage = sampling.streamOptions?.includeUsage ?? false
    }

    func opening(_ events: inout EventStream) async throws {}

    func text(_ text: String, _ events: inout EventStream) async throws {
        try await events.send(event([.init(text: text, finishReason: nil)]))
    }

    func ending(_ answer: Answer, _ reuse: ReuseSummary, _ events: inout EventStream) async throws {
        var last = event([.init(text: "", finishReason: answer.ending.reason)])
        last.tessera = reuse
        try await events.send(last)
    }

    func usage(_ usage: Usage, _ events: inout EventStream) async throws {
        var last = event([])
        last.usage = usage
        try await events.send(last)
    }

    private func event(_ choices: [CompletionResponse.Choice]) -> CompletionResponse {
        CompletionResponse(id: id, created: created, model: model, choices: choices)
    }
}
