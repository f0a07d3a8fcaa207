// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import HummingbirdCore
import Tessera
import TesseraAPI
import TesseraKV
import Testing

@testable import TesseraSidecar

struct `requests as they come over the wire` {
    private func decoded<Value: Decodable>(_ type: Value.Type, _ json: String) throws -> Value {
        try APICoding.decoder.decode(type, from: Data(json.utf8))
    }

    @Test(arguments: [
        (#""text""#, Document.text("text")), (#"{"text": "b"}"#, .text("b")),
        (#"{"id": "7", "title": "a", "text": "b"}"#, .text("a\nb")), (#"{"id": "7", "data": "c"}"#, .text("c")),
        (#"{"data": {"year": "1840", "text": "b", "title": "a", "by": "me"}}"#, .text("a\nb\nby: me\nyear: 1840")),
        (#"{"chunk": "00ff"}"#, .chunk(.id("00ff"))), (#"{"chunk": {"tokens": [1, 2]}}"#, .chunk(.tokens([1, 2]))),
    ])
    func `documents have the shapes that clients know`(json: String, document: Document) throws {
        #expect(try decoded(Document.self, json) == document)
        let again = try APICoding.encoder.encode(document)
        #expect(try APICoding.decoder.decode(Document.self, from: again) == document)
    }

    @Test func `a chat has OpenAI's fields`() throws {
        let request = try decoded(
            ChatRequest.self,
            """
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
             "max_completion_tokens": 9, "top_p": 0.5, "stop": "x", "stream": true, "stream_options": {"include_usage": true},
             "tools": [], "logprobs": false, "response_format": {"type": "text"}, "user": "u", "metadata": {"a": 1},
             "tessera": {"check_layer": 2, "ungated": true}}
            """)
        #expect(request.messages == [ChatMessage(role: "user", content: "ab")])
        #expect(request.sampling.maxCompletionTokens == 9 && request.sampling.topP == 0.5)
        #expect(request.sampling.stop == StopTexts(["x"]) && request.sampling.streamOptions?.includeUsage == true)
        #expect(request.sampling.tools?.saysNothing == true && request.sampling.responseFormat?.saysNothing == true)
        #expect(request.tessera?.checkLayer == 2 && request.tessera?.ungated == true)
        let again = try APICoding.encoder.encode(request)
        #expect(try APICoding.decoder.decode(ChatRequest.self, from: again) == request)
    }

    @Test func `what a client writes is what OpenAI's clients would`() throws {
        var sampling = SamplingFields()
        (sampling.maxTokens, sampling.topP) = (5, 1)
        let data = try APICoding.encoder.encode(
            ChatRequest(messages: [.init(role: "user", content: "q")], documents: [.text("d")], sampling: sampling))
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(Set(object.keys) == ["messages", "documents", "max_tokens", "top_p"])
        #expect(object["documents"] as? [String] == ["d"])
    }

    @Test func `a conversation begins with the system and ends with the question`() throws {
        func prompt(_ roles: [String]) throws -> Prompt {
            try Prompt(roles.map { ChatMessage(role: $0, content: $0) }, contexts: [.text("c")])
        }
        let long = try prompt(["system", "developer", "user", "assistant", "user"])
        #expect(long.system == .text("system\n\ndeveloper") && long.turns.map(\.role) == [.user, .assistant])
        #expect(long.question == .text("user") && long.contexts == [.text("c")])
        #expect(try prompt(["user"]).system == nil)
        for wrong in [[], ["system"], ["user", "assistant"], ["user", "system", "user"], ["user", "tool", "user"]] {
            #expect(throws: APIFailure.self, "\(wrong)") { try prompt(wrong) }
        }
    }

    @Test(arguments: [
        (#"{"n": 2}"#, "n"), (#"{"tools": [{"type": "function"}]}"#, "tools"), (#"{"logprobs": true}"#, "logprobs"),
        (#"{"logprobs": 5}"#, "logprobs"), (#"{"response_format": {"type": "json_object"}}"#, "response_format"),
        (#"{"presence_penalty": 0.1}"#, "presence_penalty"), (#"{"logit_bias": {"5": 1}}"#, "logit_bias"),
        (#"{"temperature": 2.1}"#, "temperature"), (#"{"temperature": -1}"#, "temperature"),
        (#"{"top_p": 0}"#, "top_p"),
        (#"{"max_tokens": 0}"#, "max_tokens"), (#"{"stop": [""]}"#, "stop"), (#"{"echo": true}"#, "echo"),
    ])
    func `what would be passed over or can't be is refused by its name`(json: String, field: String) throws {
        let fields = try decoded(SamplingFields.self, json)
        let error = #expect(throws: APIFailure.self) { try fields.checkSupported() }
        #expect(error?.status == .badRequest && error?.detail.param == field)
    }

    @Test(
        arguments: [
            ("{", nil), (#"{"segments": [{"text": "a"}, {"text": 5}]}"#, "segments[1].text"), (#"{}"#, nil),
            (#"{"segments": [{}]}"#, "segments[0]"), (#"{"segments": [{"text": "a", "tokens": [1]}]}"#, "segments[0]"),
        ] as [(String, String?)])
    func `a body that can't be read is a 400 that names the place`(json: String, place: String?) throws {
        let error = #expect(throws: DecodingError.self) { try decoded(PlanRequest.self, json) }
        let failure = APIFailure(try #require(error) as any Error)
        #expect(failure.status == .badRequest && failure.detail.param == place)
        #expect(!failure.detail.message.contains("DecodingError"))
    }

    @Test(arguments: [
        (#"{"segments": [], "tessera": {"x": 1}}"#, "tessera.x"),
        (#"{"segments": [], "format": {"x": 1}}"#, "format.x"),
        (#"{"segments": [], "x": 1}"#, "x"), (#"{"segments": [{"text": "", "x": 1}]}"#, "segments[0]"),
        (#"{"segments": [{"chunk": {"text": "", "x": 1}}]}"#, "segments[0].chunk"),
    ])
    func `a field that an object of ours does not have is an error, however deep`(json: String, place: String) throws {
        let error = #expect(throws: DecodingError.self) { try decoded(Closed<StitchRequest>.self, json) }
        let failure = APIFailure(try #require(error) as any Error)
        #expect(failure.status == .badRequest && failure.detail.param == place)
    }

    @Test(arguments: [
        (#"{"chunking": {"x": 1}}"#, "chunking.x"),
        (#"{"documents": [{"text": ""}, {"text": "", "x": 1}]}"#, "documents[1].x"),
    ])
    func `a field that an object of a warm-up does not have is an error`(json: String, place: String) throws {
        let error = #expect(throws: DecodingError.self) { try decoded(Closed<WarmRequest>.self, json) }
        #expect(APIFailure(try #require(error) as any Error).detail.param == place)
    }

    @Test func `what fails has the status of its kind`() {
        let statuses: [(TesseraError.Code, Int)] = [
            (.invalidInput, 400), (.tooLong, 400), (.unsupported, 400), (.notFound, 404), (.busy, 429), (.full, 507),
            (.locked, 503), (.cancelled, 499), (.corrupt, 500), (.io, 500),
        ]
        for (code, status) in statuses {
            #expect(APIFailure(TesseraError(code, "why")).status.code == status, "\(code)")
        }
        #expect(APIFailure(TesseraError(.busy, "")).response.headers[.retryAfter] == "1")
        struct Secret: Error { var path = "/home/me/secret" }
        #expect(!APIFailure(Secret()).detail.message.contains("secret"))
    }
}
