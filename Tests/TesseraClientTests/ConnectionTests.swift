// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraAPI
import TesseraClient
import Testing

@Suite(.timeLimit(.minutes(1)))
struct `a connection` {
    private func failure(_ client: TesseraClient) async throws -> TesseraClientError? {
        var error: TesseraClientError?
        try await withClient(client) { client in
            error = await #expect(throws: TesseraClientError.self) { try await client.models() }
        }
        return error
    }

    @Test(arguments: ["a b", "Sock.ET", "ünïcode 🧩", "e\u{301}", "a%20b", "?x=1#[@]:"])
    func `is made to a socket of any name`(_ name: String) async throws {
        let server = FakeServer { _, answer in
            try await answer.whole(200, "ok\n")
        }
        try await server.run(socket: name) { client async throws in
            #expect(try await client.isReady())
            #expect(server.requests.first?.headers["host"] == "localhost")
        }
    }

    @Test func `shows the token`() async throws {
        let models = try Samples.json(ListOf([Samples.model]))
        let server = FakeServer { _, answer in
            try await answer.whole(200, models)
        }
        try await server.run(token: "sesame-sesame\n") { client async throws in
            #expect(try await client.models() == [Samples.model])
            let headers = server.requests.first?.headers
            #expect(headers?["authorization"] == "Bearer sesame-sesame")
            #expect(headers?["host"]?.hasPrefix("127.0.0.1:") == true)
        }
    }

    @Test func `is not made where there is no socket`() async throws {
        try await withShortFolder { folder in
            let path = "\(folder)/a b.sock"
            // It does not take as long as a connection may.
            let (start, options) = (ContinuousClock.now, TesseraClientOptions(connectTimeout: .seconds(600)))
            let none = try await failure(TesseraClient(socket: path, options: options))
            #expect(none?.kind == .unreachable, "\(none?.message ?? "")")
            #expect(none?.message.contains("there is no socket \(path): start a server") == true)
            // A server that was killed leaves its socket behind.
            try SlowListener.leaveDead(path)
            let dead = try await failure(TesseraClient(socket: path, options: options))
            #expect(dead?.kind == .unreachable, "\(dead?.message ?? "")")
            #expect(dead?.message.contains("nobody listens on the socket \(path)") == true)
            #expect(ContinuousClock.now - start < .seconds(50))
            try await withClient(TesseraClient(socket: path)) { client async throws in
                #expect(try await client.isReady() == false)
                #expect(try await client.isAlive() == false)
                let streamed = await #expect(throws: TesseraClientError.self) {
                    for try await _ in client.streamedChat(Samples.question) {}
                }
                #expect(streamed?.kind == .unreachable)
            }
        }
    }

    @Test(arguments: ["http://127.0.0.1:1", "http://localhost:1"])
    func `is not made where nobody listens`(_ url: String) async throws {
        let error = try await failure(TesseraClient(url: url))
        #expect(error?.kind == .unreachable, "\(error?.message ?? "")")
        #expect(error?.message.contains("nobody listens on \(url)") == true, "\(error?.message ?? "")")
    }

    @Test func `is not made to an address that is none`() async throws {
        #expect(try await failure(TesseraClient(url: "localhost:8080"))?.kind == .invalidInput)
        #expect(try await failure(TesseraClient(socket: ""))?.kind == .invalidInput)
        #expect(try await failure(TesseraClient(socket: "/s", token: "a b"))?.kind == .invalidInput)
    }

    @Test func `waits while a server has too many to accept`() async throws {
        try await withShortFolder { folder in
            let path = "\(folder)/socket"
            let listener = try SlowListener(path: path)
            defer { listener.close() }
            let options = TesseraClientOptions(connectTimeout: .seconds(1.5))
            let error = try await failure(TesseraClient(socket: path, options: options))
            #expect(error?.kind == .unreachable, "\(error?.message ?? "")")
            #expect(error?.message.contains("takes no more connections just now") == true, "\(error?.message ?? "")")
            // As long as the test has: how often the client gets to try is up to whatever else runs here.
            let patient = TesseraClientOptions(connectTimeout: .seconds(60))
            try await withClient(TesseraClient(socket: path, options: patient)) { client in
                async let answered: Void = {
                    try await Task.sleep(for: .milliseconds(50))
                    listener.acceptAll()
                    try await listener.answerNext()
                }()
                try #require(await client.isReady())
                try await answered
            }
        }
    }

    @Test func `is shared by many tasks`() async throws {
        let server = FakeServer { _, answer in
            try await Task.sleep(for: .milliseconds(20))
            try await answer.whole(200, "{\"digest\":\"d\",\"records\":1}")
        }
        try await server.run { client in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<100 {
                    tasks.addTask { () async throws in #expect(try await client.digest() == Samples.digest) }
                }
                try await tasks.waitForAll()
            }
            #expect(server.requests.count == 100 && server.connections <= 100)
        }
    }

    @Test func `is waited for where all are in use`() async throws {
        let server = FakeServer { request, answer in
            if request.target == "/metrics" { try await answer.untilHangup() }
            try await answer.whole(200, "ok\n")
        }
        let options = TesseraClientOptions(connectTimeout: .seconds(1), mostConnections: 1)
        try await server.run(options: options) { client in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { while !Task.isCancelled { _ = try? await client.metrics() } }
                try await until { !server.requests.isEmpty }
                let error = await #expect(throws: TesseraClientError.self) { try await client.models() }
                #expect(error?.kind == .busy(retryAfter: nil))
                #expect(error?.message.contains("option mostConnections") == true, "\(error?.message ?? "")")
                tasks.cancelAll()
            }
            // The one connection is free again.
            #expect(try await client.isReady())
        }
    }

    @Test func `may be let go without being shut down`() async throws {
        let server = FakeServer { _, answer in
            try await answer.whole(200, "ok\n")
        }
        try await server.run { client in
            let path = try #require(server.path)
            #expect(try await TesseraClient(socket: path).isReady())
            // A stream keeps what it needs.
            let events = TesseraClient(socket: path).streamedChat(Samples.question)
            let error = await #expect(throws: TesseraClientError.self) { for try await _ in events {} }
            #expect(error?.kind == .malformedAnswer)
        }
    }
}
