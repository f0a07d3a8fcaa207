// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraAPI
import TesseraClient
import Testing

/// A call, the request that it makes, and the answer.
struct Call: Sendable, CustomTestStringConvertible {
    let line: String
    let status: Int
    let answer: String
    let holds: @Sendable (TesseraClient) async throws -> Bool

    init(
        _ line: String, status: Int = 200, _ answer: some Encodable,
        _ holds: @escaping @Sendable (TesseraClient) async throws -> Bool
    ) {
        let text = answer as? String
        self.line = line
        self.status = status
        self.answer = text ?? (try? Samples.json(answer)) ?? ""
        self.holds = holds
    }

    var testDescription: String { line }
}

@Suite(.timeLimit(.minutes(1)))
struct `each route` {
    private static let calls = [
        Call("POST /v1/chat/completions", Samples.chat) { try await $0.chat(Samples.question) == Samples.chat },
        Call("POST /v1/completions", Samples.completion) {
            try await $0.complete(CompletionRequest(prompt: .text("Who?"))) == Samples.completion
        },
        Call("GET /v1/models", ListOf([Samples.model])) { try await $0.models() == [Samples.model] },
        Call("GET /v1/models/a%20b", Samples.model) { try await $0.model(named: "a b") == Samples.model },
        Call("POST /tokenize", TokenList(tokens: [1, 2])) { try await $0.tokenize("text") == [1, 2] },
        Call("POST /detokenize", DetokenizeResponse(text: "text")) { try await $0.detokenize([1, 2]) == "text" },
        Call("POST /v1/plan", Samples.plan) {
            try await $0.plan(PlanRequest(segments: [.tokens([1]), .chunk(.id("c1"))])) == Samples.plan
        },
        Call("POST /v1/stitch", status: 201, Samples.lease) {
            try await $0.stitch(StitchRequest(segments: [.chunk(.id("c1"))])) == Samples.lease
        },
        Call("GET /v1/leases", ListOf([Samples.lease])) { try await $0.leases() == [Samples.lease] },
        Call("POST /v1/leases/l1/renew", Samples.lease) {
            try await $0.renew(lease: "l1", seconds: 9) == Samples.lease
        },
        Call("DELETE /v1/leases/l1", status: 204, "") {
            try await $0.release(lease: "l1")
            return true
        },
        Call("GET /v1/chunks", ListOf([Samples.entry])) { try await $0.chunks() == [Samples.entry] },
        Call("GET /v1/chunks?kind=chunk&order=uses&limit=7&producer=vLLM%20%26%20co", ListOf<ChunkEntry>([])) {
            try await $0.chunks(kind: "chunk", order: "uses", limit: 7, producer: "vLLM & co").isEmpty
        },
        Call("GET /v1/chunks/c1", Samples.detail) { try await $0.chunk("c1") == Samples.detail },
        Call("POST /v1/chunks", status: 201, Samples.imported) {
            try await $0.importChunk(Data([1, 2, 3])) == Samples.imported
        },
        Call("POST /v1/chunks/pin", ChunkCount(records: 2)) { try await $0.pin(["c1", "c2"]) == 2 },
        Call("POST /v1/chunks/unpin", ChunkCount(records: 1)) { try await $0.unpin(["c1"]) == 1 },
        Call("DELETE /v1/chunks/c1", status: 204, "") {
            try await $0.delete(chunk: "c1")
            return true
        },
        Call("POST /v1/warm", status: 202, Samples.job) {
            try await $0.warm(WarmRequest(documents: [.init(text: "Ann.")])) == Samples.job
        },
        Call("GET /v1/jobs", ListOf([Samples.job])) { try await $0.jobs() == [Samples.job] },
        Call("GET /v1/jobs/j1", Samples.job) { try await $0.job("j1") == Samples.job },
        Call("GET /v1/jobs/a%2Fb%252F", Samples.job) { try await $0.job("a/b%2F") == Samples.job },
        Call("POST /v1/jobs/j1/cancel", Samples.job) { try await $0.cancelJob("j1") == Samples.job },
        Call("POST /v1/jobs/j1/resume", status: 202, Samples.job) { try await $0.resumeJob("j1") == Samples.job },
        Call("GET /v1/stats", Samples.statistics) { try await $0.statistics() == Samples.statistics },
        Call("GET /v1/digest", Samples.digest) { try await $0.digest() == Samples.digest },
        Call("GET /metrics", "# HELP é\n") { try await $0.metrics() == "# HELP é\n" },
        Call("GET /healthz", "ok\n") { try await $0.isAlive() },
        Call("GET /readyz", "ok\n") { try await $0.isReady() },
        Call("GET /readyz", status: 503, "draining\n") { try await !$0.isReady() },
        Call("GET /openapi.json", "{}") { try await $0.openAPIDocument() == Data("{}".utf8) },
    ]

    @Test(arguments: calls)
    func `has its request and its answer`(_ call: Call) async throws {
        let server = FakeServer { _, answer in
            try await answer.whole(call.status, call.answer)
        }
        try await server.run { client async throws in
            #expect(try await call.holds(client))
            // Once more, on the same connection.
            #expect(try await call.holds(client))
            #expect(server.requests.map(\.line) == [call.line, call.line] && server.connections == 1)
        }
    }

    @Test func `takes a file as it is`() async throws {
        let file = Data((0..<(5 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        let imported = try Samples.json(Samples.imported)
        let server = FakeServer { _, answer in
            try await answer.whole(200, imported)
        }
        try await server.run { client in
            _ = try await client.importChunk(file)
            let request = try #require(server.requests.first)
            #expect(request.headers["content-type"] == "application/octet-stream")
            #expect(Data(request.body) == file)
        }
    }

    @Test func `says whether the answer is to be streamed`() async throws {
        let whole = try Samples.json(Samples.chat)
        let server = FakeServer { request, answer in
            guard request.headers["accept"] == "text/event-stream" else { return try await answer.whole(200, whole) }
            try await answer.beginEvents()
            try await answer.part("data: [DONE]\n\n")
            try await answer.endEvents()
        }
        try await server.run { client in
            var question = Samples.question
            question.sampling.stream = true
            question.sampling.streamOptions = .init(includeUsage: true)
            question.sampling.maxTokens = 7
            _ = try await client.chat(question)
            for try await _ in client.streamedChat(question) {}
            let sent = try server.requests.map { try APICoding.decoder.decode(ChatRequest.self, from: Data($0.body)) }
            #expect(sent.map(\.sampling.stream) == [nil, true] && sent.map(\.sampling.maxTokens) == [7, 7])
            #expect(sent.map(\.sampling.streamOptions?.includeUsage) == [nil, true])
            #expect(sent.map(\.documents) == [[.text("Ann.")], [.text("Ann.")]])
        }
    }
}
