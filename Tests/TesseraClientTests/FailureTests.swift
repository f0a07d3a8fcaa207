// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraAPI
import TesseraClient
import Testing

@Suite(.timeLimit(.minutes(1)))
struct `a request that fails` {
    private func failure(_ client: TesseraClient) async -> TesseraClientError? {
        await #expect(throws: TesseraClientError.self) { try await client.models() }
    }

    @Test(arguments: [400, 401, 403, 404, 405, 408, 413, 500, 503, 507])
    func `is refused with a status and the server's reason`(_ status: Int) async throws {
        let detail = APIErrorBody.Detail(message: "no such thing", type: "x", param: "p", code: "c")
        let body = try Samples.json(APIErrorBody(error: detail))
        let server = FakeServer { _, answer in
            try await answer.whole(status, body)
        }
        try await server.run { client in
            let error = await failure(client)
            #expect(error?.kind == .refused(status: status) && error?.detail == detail)
            #expect(error?.message == "no such thing (GET /v1/models was answered with status \(status))")
            let streamed = await #expect(throws: TesseraClientError.self) {
                for try await _ in client.streamedChat(Samples.question) {}
            }
            #expect(streamed?.kind == .refused(status: status) && streamed?.detail == detail)
            #expect(server.connections == 1)
        }
    }

    @Test(arguments: [(301, "location: http://127.0.0.1:1/"), (502, "x: y"), (404, "content-type: text/html")])
    func `may have no reason`(_ status: Int, _ header: String) async throws {
        let server = FakeServer { _, answer in
            try await answer.whole(status, "<html>", header)
        }
        try await server.run { client in
            let error = await failure(client)
            #expect(error?.kind == .refused(status: status) && error?.detail == nil)
            #expect(error?.message.contains("status \(status)") == true && server.requests.count == 1)
        }
    }

    @Test func `is sent again to a busy server, if the options want that`() async throws {
        let models = try Samples.json(ListOf([Samples.model]))
        for (retries, sent) in [(0, 1), (1, 2), (5, 3)] {
            let (numbers, counter) = AsyncStream<Int>.makeStream()
            for number in 1...9 { counter.yield(number) }
            let server = FakeServer { _, answer in
                var iterator = numbers.makeAsyncIterator()
                if await iterator.next() ?? 0 < 3 {
                    try await answer.whole(429, "", "Retry-After: 0.02")
                } else {
                    try await answer.whole(200, models)
                }
            }
            try await server.run(options: .init(retriesWhenBusy: retries)) { client async throws in
                if retries < 2 {
                    #expect(await failure(client)?.kind == .busy(retryAfter: 0.02))
                } else {
                    #expect(try await client.models() == [Samples.model])
                }
                #expect(server.requests.count == sent && server.connections == 1)
            }
        }
    }

    @Test func `is not sent again after a long time`() async throws {
        let server = FakeServer { _, answer in
            try await answer.whole(429, "", "Retry-After: 3600")
        }
        try await server.run(options: .init(retriesWhenBusy: 1)) { client in
            #expect(await failure(client)?.kind == .busy(retryAfter: 3600))
            #expect(server.requests.count == 1)
        }
    }

    @Test func `may have an answer that is too large`() async throws {
        let options = TesseraClientOptions(mostAnswerBytes: 1000)
        let server = FakeServer { request, answer in
            if request.target == "/metrics" {
                try await answer.raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                for _ in 0..<11 { try await answer.part(String(repeating: "x", count: 100)) }
                try await answer.untilHangup()
            } else {
                try await answer.whole(200, String(repeating: " ", count: 1001))
            }
        }
        try await server.run(options: options) { client in
            #expect(await failure(client)?.kind == .tooLarge)
            let error = await #expect(throws: TesseraClientError.self) { try await client.metrics() }
            #expect(error?.kind == .tooLarge && error?.message.contains("1000 bytes") == true)
            try await until { server.hangups == 1 }
        }
    }

    @Test func `may have an answer that can't be read`() async throws {
        let server = FakeServer { request, answer in
            switch request.target {
            case "/v1/models": try await answer.whole(200, #"{"object":"list","data":[{"id":7}]}"#)
            case "/v1/stats": try await answer.raw("+PONG\r\n")
            default: try await answer.raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{")
            }
            if request.target == "/v1/digest" { try await answer.close() }
        }
        try await server.run { client in
            let error = await failure(client)
            #expect(error?.kind == .malformedAnswer && error?.message.contains("data[0].id") == true)
            let stranger = await #expect(throws: TesseraClientError.self) { try await client.statistics() }
            #expect(stranger?.kind == .malformedAnswer, "\(stranger?.message ?? "")")
            let cut = await #expect(throws: TesseraClientError.self) { try await client.digest() }
            #expect(cut?.kind == .interrupted, "\(cut?.message ?? "")")
        }
    }

    @Test func `may have waited for too long`() async throws {
        let options = TesseraClientOptions(silenceTimeout: .milliseconds(100))
        let line = try Samples.line(Samples.event("A"))
        let server = FakeServer { request, answer in
            if request.method == "POST" {
                // On a busy machine the client may be gone by now.
                try? await answer.beginEvents()
                try? await answer.part(line)
            }
            try await answer.untilHangup()
        }
        try await server.run(options: options) { client in
            let error = await failure(client)
            #expect(error?.kind == .timedOut && error?.message.contains("0.1 seconds") == true)
            let streamed = await #expect(throws: TesseraClientError.self) {
                for try await _ in client.streamedChat(Samples.question) {}
            }
            #expect(streamed?.kind == .timedOut)
            try await until { server.hangups == 2 }
        }
    }

    @Test func `by its own fault is not sent`() async throws {
        let server = FakeServer { _, answer in
            try await answer.whole()
        }
        try await server.run { client in
            let empty = await #expect(throws: TesseraClientError.self) { try await client.job("") }
            #expect(empty?.kind == .invalidInput)
            let streamed = await #expect(throws: TesseraClientError.self) {
                for try await _ in client.jobEvents("") {}
            }
            #expect(streamed?.kind == .invalidInput)
            var sampling = SamplingFields()
            sampling.temperature = .infinity
            let odd = ChatRequest(messages: [], sampling: sampling)
            let number = await #expect(throws: TesseraClientError.self) { try await client.chat(odd) }
            #expect(number?.kind == .invalidInput)
            #expect(server.requests.isEmpty)
        }
    }
}
