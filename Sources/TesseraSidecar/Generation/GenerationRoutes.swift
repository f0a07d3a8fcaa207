// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Hummingbird
internal import Logging
internal import Tessera
internal import TesseraAPI
internal import TesseraKV

extension SidecarState {
    /// Answers, in the form that OpenAI's clients know.
    var generationRoutes: [Route] {
        [
            .post("/v1/chat/completions") { request, context in
                let wanted = try await self.body(ChatRequest.self, request, context)
                return try await self.chat(wanted, context)
            },
            .post("/v1/completions") { request, context in
                let wanted = try await self.body(CompletionRequest.self, request, context)
                return try await self.complete(wanted, context)
            },
        ]
    }

    private func chat(_ wanted: ChatRequest, _ context: SidecarContext) async throws -> Response {
        let caller = try context.requireCaller()
        try checkModel(wanted.model)
        let contexts = try segments(wanted.documents, on: caller.cache)
        let prompt = try Prompt(wanted.messages, contexts: contexts)
        log(wanted.messages.map(\.content), context)
        let options = try await wanted.sampling.options(
            usualTokens: configuration.answerTokens, wanted.tessera, on: caller.cache)
        let request = WantedAnswer(
            prompt: prompt, laidOut: true, options: options, caller: caller,
            explains: wanted.tessera?.explain ?? false)
        if wanted.sampling.stream == true {
            return try await stream(request, context) { ChatEvents($0, self.modelName, wanted.sampling) }
        }
        return try await context.whileHeard {
            let answer = try await self.begin(request)
            let (response, reuse) = try await self.finish(answer)
            return .json(
                ChatResponse(
                    id: answer.id("chatcmpl"), created: answer.created, model: self.modelName,
                    choices: [
                        .init(
                            message: .init(role: "assistant", content: response.answer.text),
                            finishReason: response.answer.ending.reason)
                    ],
                    usage: response.answer.usage, tessera: reuse))
        }
    }

    private func complete(_ wanted: CompletionRequest, _ context: SidecarContext) async throws -> Response {
        let caller = try context.requireCaller()
        try checkModel(wanted.model)
        let contexts = try segments(wanted.documents, on: caller.cache)
        let question: Prompt.Segment
        switch wanted.prompt {
        case .tokens(let tokens): question = .tokens(tokens)
        case .text(let text):
            log([text], context)
            question =
                wanted.tessera?.specialTokens == true
                ? .tokens(try await caller.cache.tokens(of: text, special: true)) : .text(text)
        }
        let prompt = Prompt(system: nil, contexts: contexts, question: question)
        let options = try await wanted.sampling.options(
            usualTokens: Self.completionTokens, wanted.tessera, on: caller.cache)
        let request = WantedAnswer(
            prompt: prompt, laidOut: false, options: options, caller: caller,
            explains: wanted.tessera?.explain ?? false)
        if wanted.sampling.stream == true {
            return try await stream(request, context) { CompletionEvents($0, self.modelName, wanted.sampling) }
        }
        return try await context.whileHeard {
            let answer = try await self.begin(request)
            let (response, reuse) = try await self.finish(answer)
            return .json(
                CompletionResponse(
                    id: answer.id("cmpl"), created: answer.created, model: self.modelName,
                    choices: [.init(text: response.answer.text, finishReason: response.answer.ending.reason)],
                    usage: response.answer.usage, tessera: reuse))
        }
    }

    /// OpenAI's own default for completions.
    private static let completionTokens = 16

    private func segments(_ documents: [Document]?, on cache: ContextCache) throws -> [Prompt.Segment] {
        try checkCount(documents?.count ?? 0, "documents")
        return try documents?.map { try $0.segment(on: cache) } ?? []
    }

    private func log(_ texts: [String], _ context: SidecarContext) {
        guard configuration.logsPrompts else { return }
        context.logger.notice("prompt", metadata: ["texts": .array(texts.map { .string($0) })])
    }
}
