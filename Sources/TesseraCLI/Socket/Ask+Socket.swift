// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tessera
import TesseraAPI
import TesseraClient
import TesseraKV
import TesseraRetrieval
import TesseraSidecar

extension Ask {
    /// Asks a server: chunks are found here, and their KV is the server's.
    func run(_ client: TesseraClient) async throws {
        let remote = try await RemoteIndex(client, docs, chunkOptions.value)
        let start = ContinuousClock.now
        let hits = try await remote.index.retriever(neighbours: neighbours, under: docs)
            .retrieve(question, limit: limit)
        let sources = readingOrder(Array(hits.prefix(try await fitting(hits, client))))
        let retrieving = (ContinuousClock.now - start) / .seconds(1)
        if sources.isEmpty { Notices.say("no chunk fits the question: the model answers without any") }
        let instructions = system.isEmpty ? [] : [ChatMessage(role: "system", content: system)]
        let request = ChatRequest(
            messages: instructions + [ChatMessage(role: "user", content: question)],
            documents: sources.map { .text($0.text) }, tessera: reuse, sampling: sampling)
        guard !json else {
            let response = try await client.chat(request)
            let choice = response.choices.first
            return try show(
                text: choice?.message.content ?? "", ending: choice?.finishReason ?? "", sources,
                with(retrieving, response.tessera))
        }
        var summary: ReuseSummary?
        for try await event in client.streamedChat(request) {
            if let text = event.choices.first?.delta.content { try Console.write(text) }
            summary = event.tessera ?? summary
        }
        if let summary { try show(text: "", ending: "", sources, with(retrieving, summary)) }
    }

    /// How many hits leave room for the answer.
    private func fitting(_ hits: [RetrievedChunk], _ client: TesseraClient) async throws -> Int {
        guard let model = try await client.models().first?.tessera else { return hits.count }
        let rest = try await client.tokenize(system + question).count + Self.templateTokens
        let answer = min(maxTokens, model.contextLength / 8)
        let fitting = contextsThatFit(
            hits.map { $0.tokens?.count ?? 0 }, budget: model.contextLength - answer - rest)
        if fitting < hits.count {
            Notices.say("\(hits.count - fitting) of \(hits.count) chunks are left out: the model's context is full")
        }
        return fitting
    }

    /// What a chat template adds at most.
    private static let templateTokens = 64

    private var reuse: ReuseOptions {
        var options = assemblyOptions.wire
        (options.kind, options.ungated, options.explain) = (kind, ungated, explain)
        (options.press, options.budget) = (pressOptions.press, pressOptions.budget)
        options.merge = pressOptions.merge ? true : nil
        return options
    }

    private var sampling: SamplingFields {
        var fields = SamplingFields()
        (fields.temperature, fields.topP, fields.maxTokens) = (temperature, topP, maxTokens)
        fields.seed = Int64(bitPattern: assemblyOptions.seed)
        fields.stop = stop.isEmpty ? nil : StopTexts(stop)
        return fields
    }

    private func with(_ retrieving: Double, _ summary: ReuseSummary) -> ReuseSummary {
        var summary = summary
        summary.stages.retrieve = retrieving
        summary.timeToFirstToken += retrieving
        return summary
    }
}

extension AssemblyOptions {
    /// The options as they go over the wire.
    var wire: ReuseOptions {
        var options = ReuseOptions()
        (options.assembly, options.selector) = (assembly?.rawValue, selector?.rawValue)
        (options.ratio, options.checkLayer, options.k, options.alpha) = (ratio, checkLayer, count, alpha)
        (options.compare, options.score, options.repairs) = (compare?.rawValue, score?.rawValue, repairs)
        (options.gradual, options.focus) = (gradual ? true : nil, focus ? true : nil)
        (options.variants, options.seed) = (variants?.rawValue, selector == .random ? seed : nil)
        (options.temperature, options.scale) = (contextTemperature, contextScale)
        return options
    }
}
