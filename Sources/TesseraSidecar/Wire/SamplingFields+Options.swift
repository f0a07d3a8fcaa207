// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Tessera
internal import TesseraAPI
internal import TesseraRuntime

extension SamplingFields {
    /// How an answer is computed and written.
    ///
    /// - Parameters:
    ///   - tokens: The most tokens of an answer that does not say.
    ///   - reuse: How the prompt's KV comes about.
    /// - Throws: ``APIFailure`` of status 400 for what is out of range or not supported.
    func options(
        usualTokens tokens: Int, _ reuse: ReuseOptions?, on cache: ContextCache
    ) async throws -> AnswerOptions {
        try checkSupported()
        return AnswerOptions(
            assembly: try await reuse?.chosenAssembly(on: cache), kind: reuse?.kind, ungated: reuse?.ungated ?? false,
            press: try await reuse?.chosenPress(on: cache),
            sampling: try SamplingOptions(
                temperature: temperature ?? 1, topP: topP ?? 1,
                seed: seed.map { UInt64(bitPattern: $0) } ?? .random(in: 0...UInt64.max)),
            maximumTokens: maxCompletionTokens ?? maxTokens ?? tokens, stops: stop?.texts ?? [],
            keepsMisses: reuse?.keepsMisses ?? true)
    }

    /// Refuses what is out of range, and what is not supported unless it says nothing.
    func checkSupported() throws(APIFailure) {
        try refuseUnsupported()
        guard (0...2).contains(temperature ?? 1) else { throw Self.refusal("temperature", "is between 0 and 2") }
        guard topP ?? 1 > 0, topP ?? 1 <= 1 else { throw Self.refusal("top_p", "is above 0 and at most 1") }
        guard maxTokens ?? 1 >= 1 else { throw Self.refusal("max_tokens", "is 1 or more") }
        guard maxCompletionTokens ?? 1 >= 1 else { throw Self.refusal("max_completion_tokens", "is 1 or more") }
        let stops = stop?.texts ?? []
        guard stops.count <= 16, stops.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 4096 }) else {
            throw Self.refusal("stop", "has at most 16 texts of 1 to 4096 bytes")
        }
    }

    /// Refuses what would be passed over without a word.
    private func refuseUnsupported() throws(APIFailure) {
        for (name, count) in [("n", n), ("best_of", bestOf)] where count ?? 1 != 1 {
            throw Self.refusal(name, "is 1: one answer at a time")
        }
        for (name, penalty) in [("presence_penalty", presencePenalty), ("frequency_penalty", frequencyPenalty)]
        where penalty ?? 0 != 0 {
            throw Self.refusal(name, "is not supported")
        }
        let fields = [
            ("logprobs", logprobs), ("top_logprobs", topLogprobs), ("logit_bias", logitBias), ("tools", tools),
            ("functions", functions), ("response_format", responseFormat),
        ]
        for (name, field) in fields where field?.saysNothing == false {
            throw Self.refusal(name, "is not supported")
        }
        guard echo != true else { throw Self.refusal("echo", "is not supported") }
        guard suffix ?? "" == "" else { throw Self.refusal("suffix", "is not supported") }
    }

    private static func refusal(_ field: String, _ what: String) -> APIFailure {
        APIFailure(.badRequest, "\(field) \(what)", code: "invalidInput", param: field)
    }
}
