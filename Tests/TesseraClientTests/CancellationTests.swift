// SPDX-License-Identifier: Apache-2.0

import TesseraAPI
import TesseraClient
import Testing

@Suite(.timeLimit(.minutes(1)))
struct `whoever does not wait any more` {
    /// Cancels work once something holds, and returns what it threw.
    private func cancelled(
        when holds: () -> Bool, _ work: @escaping @Sendable () async throws(TesseraClientError) -> Void
    ) async throws -> TesseraClientError? {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await work() }
            try await until(holds)
            tasks.cancelAll()
            return await #expect(throws: TesseraClientError.self) { try await tasks.waitForAll() }
        }
    }

    @Test func `hangs up before there is an answer`() async throws {
        let server = FakeServer { _, answer in
            try await answer.untilHangup()
        }
        try await server.run { client in
            let error = try await cancelled(when: { !server.requests.isEmpty }) { () throws(TesseraClientError) in
                _ = try await client.chat(Samples.question)
            }
            #expect(error?.kind == .cancelled && error?.message.contains("POST /v1/chat/completions") == true)
            try await until { server.hangups == 1 }
        }
    }

    @Test func `hangs up within an answer`() async throws {
        let server = FakeServer { _, answer in
            try await answer.raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{")
            try await answer.untilHangup()
        }
        try await server.run { client in
            let error = try await cancelled(when: { !server.requests.isEmpty }) { () throws(TesseraClientError) in
                _ = try await client.models()
            }
            #expect(error?.kind == .cancelled)
            try await until { server.hangups == 1 }
        }
    }

    @Test func `hangs up within a stream`() async throws {
        let line = try Samples.line(Samples.event("A"))
        let server = FakeServer { _, answer in
            try await answer.beginEvents()
            try await answer.part(line)
            try await answer.untilHangup()
        }
        try await server.run { client in
            let (seen, counter) = AsyncStream<Void>.makeStream()
            let error = await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { for try await _ in client.streamedChat(Samples.question) { counter.yield() } }
                for await _ in seen { break }
                tasks.cancelAll()
                return await #expect(throws: TesseraClientError.self) { try await tasks.waitForAll() }
            }
            #expect(error?.kind == .cancelled)
            try await until { server.hangups == 1 }
        }
    }

    @Test func `hangs up by leaving the loop`() async throws {
        let line = try Samples.line(Samples.event("A"))
        let server = FakeServer { _, answer in
            try await answer.beginEvents()
            while true { try await answer.part(line) }
        }
        try await server.run { client in
            for try await event in client.streamedChat(Samples.question) {
                #expect(event.choices.first?.delta.content == "A")
                break
            }
            // The next one needs a connection of its own: that one is closed.
            for try await _ in client.streamedChat(Samples.question) { break }
            #expect(server.connections == 2)
        }
    }

    @Test func `does not wait for a busy server`() async throws {
        let server = FakeServer { _, answer in
            try await answer.whole(429, "", "Retry-After: 60")
        }
        try await server.run(options: .init(retriesWhenBusy: 1)) { client in
            let error = try await cancelled(when: { !server.requests.isEmpty }) { () throws(TesseraClientError) in
                _ = try await client.models()
            }
            #expect(error?.kind == .cancelled && server.requests.count == 1)
        }
    }

    @Test func `asks for nothing once the task is cancelled`() async throws {
        let server = FakeServer { _, answer in
            try await answer.whole()
        }
        try await server.run { client in
            let kinds = await withTaskGroup(of: TesseraClientError.Kind?.self) { tasks in
                tasks.cancelAll()
                tasks.addTask {
                    do throws(TesseraClientError) { _ = try await client.models() } catch { return error.kind }
                    return nil
                }
                tasks.addTask {
                    do throws(TesseraClientError) {
                        for try await _ in client.streamedChat(Samples.question) {}
                    } catch {
                        return error.kind
                    }
                    return nil
                }
                return await tasks.reduce(into: []) { $0.append($1) }
            }
            #expect(kinds == [.cancelled, .cancelled] && server.requests.isEmpty)
        }
    }

    @Test func `ends with the client`() async throws {
        let server = FakeServer { _, answer in
            try await answer.untilHangup()
        }
        try await server.run { client in
            let error = try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { _ = try await client.models() }
                try await until { !server.requests.isEmpty }
                try await client.shutdown()
                return await #expect(throws: TesseraClientError.self) { try await tasks.waitForAll() }
            }
            #expect(error?.kind == .closed)
            try await until { server.hangups == 1 }
            let late = await #expect(throws: TesseraClientError.self) { try await client.models() }
            #expect(late?.kind == .closed)
        }
    }
}
