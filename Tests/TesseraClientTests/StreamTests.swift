// SPDX-License-Identifier: Apache-2.0

import TesseraAPI
import TesseraClient
import Testing

@Suite(.timeLimit(.minutes(1)))
struct `a streamed answer` {
    private func texts(_ events: EventSequence<ChatEvent>) async throws(TesseraClientError) -> [String] {
        var texts: [String] = []
        for try await event in events { texts.append(event.choices.first?.delta.content ?? "") }
        return texts
    }

    @Test(arguments: [1, 2, 3, 7, 64, 100_000])
    func `may come in parts of any length`(_ length: Int) async throws {
        let pieces = ["", "Müße", " 🧩", "\n\n", "data: [DONE]"]
        let text = try pieces.map { try Samples.line(Samples.event($0)) }.joined() + ": end\r\ndata: [DONE]\r\n\r\n"
        let bytes = Array(text.utf8)
        let server = FakeServer { _, answer in
            try await answer.beginEvents()
            for start in stride(from: 0, to: bytes.count, by: length) {
                try await answer.part(bytes[start..<min(start + length, bytes.count)])
            }
            try await answer.endEvents()
        }
        try await server.run { client async throws in
            #expect(try await texts(client.streamedChat(Samples.question)) == pieces)
            // Each loop asks anew, over the same connection.
            let events = client.streamedChat(Samples.question)
            for _ in 0..<2 { #expect(try await texts(events) == pieces) }
            #expect(server.requests.map(\.line) == Array(repeating: "POST /v1/chat/completions", count: 3))
            #expect(server.connections == 1)
        }
    }

    @Test func `is there as soon as it is written`() async throws {
        let (more, writer) = AsyncStream<String>.makeStream()
        let (first, second) = (try Samples.line(Samples.completion), "data: [DONE]\n\n")
        let server = FakeServer { _, answer in
            try await answer.beginEvents()
            try await answer.part(first)
            for await text in more { try await answer.part(text) }
            try await answer.endEvents()
        }
        try await server.run { client async throws in
            var events = client.streamedComplete(CompletionRequest(prompt: .text("Who?"))).makeAsyncIterator()
            #expect(try await events.next() == Samples.completion)
            writer.yield(second)
            writer.finish()
            #expect(try await events.next() == nil)
            #expect(try await events.next() == nil)
        }
    }

    @Test func `may break off with a reason`() async throws {
        let detail = APIErrorBody.Detail(message: "the disk is full", type: "server_error", code: "full")
        let lines = try Samples.line(Samples.event("A")) + Samples.line(APIErrorBody(error: detail))
        let server = FakeServer { _, answer in
            try await answer.beginEvents()
            try await answer.part(lines)
            try await answer.endEvents()
        }
        try await server.run { client async throws in
            var events = client.streamedChat(Samples.question).makeAsyncIterator()
            #expect(try await events.next() != nil)
            let error = await #expect(throws: TesseraClientError.self) { try await events.next() }
            #expect(error?.kind == .failed && error?.detail == detail)
            #expect(error?.message.hasPrefix("the disk is full (POST /v1/chat/completions") == true)
            #expect(try await events.next() == nil)
        }
    }

    @Test(arguments: [true, false])
    func `that ends too early is none`(_ ends: Bool) async throws {
        let line = try Samples.line(Samples.event("A"))
        let server = FakeServer { _, answer in
            try await answer.beginEvents()
            try await answer.part(line)
            if ends { try await answer.endEvents() } else { try await answer.close() }
        }
        try await server.run { client in
            let error = await #expect(throws: TesseraClientError.self) {
                try await texts(client.streamedChat(Samples.question))
            }
            #expect(error?.kind == .interrupted)
        }
    }

    private static let unreadable: [(String, TesseraClientError.Kind)] = [
        ("data: {\"id\": 7}\n\n", .malformedAnswer), ("data: nonsense\n\n", .malformedAnswer),
        (": " + String(repeating: "x", count: 5000), .tooLarge),
    ]

    @Test(arguments: unreadable)
    func `that can't be read is refused`(_ text: String, _ kind: TesseraClientError.Kind) async throws {
        let options = TesseraClientOptions(mostAnswerBytes: 4096)
        let server = FakeServer { _, answer in
            try await answer.beginEvents()
            try await answer.part(text)
            try await answer.untilHangup()
        }
        try await server.run(options: options) { client in
            let error = await #expect(throws: TesseraClientError.self) {
                try await texts(client.streamedChat(Samples.question))
            }
            #expect(error?.kind == kind)
            try await until { server.hangups == 1 }
        }
    }

    @Test func `is no page of something else`() async throws {
        let server = FakeServer { _, answer in
            try await answer.whole(200, "<html>", "content-type: text/html")
        }
        try await server.run { client in
            let error = await #expect(throws: TesseraClientError.self) {
                try await texts(client.streamedChat(Samples.question))
            }
            #expect(error?.kind == .malformedAnswer)
        }
    }

    @Test func `of a job ends with the job, whether or not it failed`() async throws {
        var failed = Samples.job
        failed.state = .failed
        failed.error = .init(message: "the disk is full", type: "server_error")
        let (jobs, lines) = ([Samples.job, failed], try Samples.line(Samples.job) + Samples.line(failed))
        let server = FakeServer { _, answer in
            try await answer.beginEvents()
            try await answer.part(lines)
            try await answer.endEvents()
        }
        try await server.run { client in
            var seen: [Job] = []
            for try await job in client.jobEvents("j1") { seen.append(job) }
            #expect(seen == jobs && server.requests.map(\.line) == ["GET /v1/jobs/j1/events"])
        }
    }
}
