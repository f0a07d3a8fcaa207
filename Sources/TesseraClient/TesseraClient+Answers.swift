// SPDX-License-Identifier: Apache-2.0

public import TesseraAPI

extension TesseraClient {
    /// Answers a conversation.
    public func chat(_ request: ChatRequest) async throws(TesseraClientError) -> ChatResponse {
        var request = request
        (request.sampling.stream, request.sampling.streamOptions) = (nil, nil)
        return try await transport.value(.post("v1", "chat", "completions", json: request))
    }

    /// Answers a conversation bit by bit.
    ///
    /// The event that ends the answer says what was reused. Where `sampling.streamOptions` wants the usage, it comes in one
    /// more event, which has no choices.
    public func streamedChat(_ request: ChatRequest) -> EventSequence<ChatEvent> {
        EventSequence(transport, endsWithDone: true) { () throws(TesseraClientError) in
            var request = request
            request.sampling.stream = true
            return try .post("v1", "chat", "completions", json: request, wanted: .events)
        }
    }

    /// Goes on with a prompt as it is.
    public func complete(_ request: CompletionRequest) async throws(TesseraClientError) -> CompletionResponse {
        var request = request
        (request.sampling.stream, request.sampling.streamOptions) = (nil, nil)
        return try await transport.value(.post("v1", "completions", json: request))
    }

    /// Goes on with a prompt as it is, bit by bit.
    ///
    /// The event that ends the answer says what was reused. Where `sampling.streamOptions` wants the usage, it comes in one
    /// more event, which has no choices.
    public func streamedComplete(_ request: CompletionRequest) -> EventSequence<CompletionResponse> {
        EventSequence(transport, endsWithDone: true) { () throws(TesseraClientError) in
            var request = request
            request.sampling.stream = true
            return try .post("v1", "completions", json: request, wanted: .events)
        }
    }
}
