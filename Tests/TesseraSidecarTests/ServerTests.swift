// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Tessera
import TesseraAPI
import TesseraClient
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraSidecar

struct `the server` {
    private static let documents = [
        "The mill was built in 1840.\n\n", "Anna Berg owns the mill.\n\n", "The bridge fell in 1902.\n\n",
    ]

    private static func request(_ question: String = "Who owns the mill?", tokens: Int = 12) -> ChatRequest {
        var sampling = SamplingFields()
        (sampling.temperature, sampling.maxTokens) = (0, tokens)
        var reuse = ReuseOptions()
        (reuse.assembly, reuse.selector, reuse.ratio, reuse.ungated) = ("stitched", "deviation", 0.3, true)
        return ChatRequest(
            messages: [
                .init(role: "system", content: "Answer the question from the reports below.\n\n"),
                .init(role: "user", content: question),
            ], documents: documents.map { .text($0) }, tessera: reuse, sampling: sampling)
    }

    @Test func `answers over the socket equal the library's, at once and in a stream`() async throws {
        let expected = try await withTemporaryDirectory { folder in
            let cache = try ContextCache(
                model: questionModel, store: folder.appendingPathComponent("store").path,
                options: ContextCacheOptions(precision: .fp32))
            let prompt = Prompt(
                system: "Answer the question from the reports below.\n\n", contexts: Self.documents,
                question: "Who owns the mill?")
            let options = AnswerOptions(
                assembly: .stitched(.deviation, ratio: 0.3, variants: .isolated), ungated: true, maximumTokens: 12)
            return try await [cache.answer(prompt, options: options), cache.answer(prompt, options: options)]
        }
        try await withServer(model: questionModel) { client, _, _ in
            let first = try await client.chat(Self.request())
            #expect(first.choices[0].message.content == expected[0].text)
            #expect(first.tessera.misses == 3 && first.usage.completionTokens == expected[0].tokens.count)
            while try await client.chunks(kind: "chunk").count < 3 { try await Task.sleep(for: .milliseconds(10)) }
            var (text, reuse, ending): (String, ReuseSummary?, String?) = ("", nil, nil)
            var streamed = Self.request()
            streamed.sampling.streamOptions = .init(includeUsage: true)
            var usage: Usage?
            for try await event in client.streamedChat(streamed) {
                text += event.choices.first?.delta.content ?? ""
                (reuse, ending) = (event.tessera ?? reuse, event.choices.first?.finishReason ?? ending)
                usage = event.usage ?? usage
            }
            #expect(text == expected[1].text && reuse?.hits == 3 && reuse?.provenance == "composed")
            #expect(reuse?.reusedTokens == expected[1].report.reusedTokens)
            #expect(ending == "length" || ending == "stop")
            #expect(usage?.promptTokensDetails.cachedTokens == reuse?.prefixTokens)
        }
    }

    @Test func `a press shrinks an answer's KV and says so, and is refused where half of it is missing`() async throws {
        try await withServer(model: questionModel) { client, _, _ in
            var request = Self.request()
            request.tessera?.press = "snapkv"
            request.tessera?.budget = "50%"
            let pressed = try #require(try await client.chat(request).tessera.pressed)
            #expect(try await client.chat(request).tessera.provenance == "pressed")
            #expect(pressed.press == "snapkv" && pressed.budget == "50 %" && pressed.keptTokens > 0)
            #expect(abs(Double(pressed.bytesAfter) / Double(pressed.bytesBefore) - 0.5) < 0.05)
            #expect(try await client.chat(Self.request()).tessera.pressed == nil)

            func refused(_ change: (inout ReuseOptions) -> Void) async throws -> String? {
                var request = Self.request()
                var reuse = request.tessera ?? ReuseOptions()
                change(&reuse)
                request.tessera = reuse
                do {
                    _ = try await client.chat(request)
                } catch {
                    return error.kind == .refused(status: 400) ? error.detail?.param : nil
                }
                return nil
            }
            #expect(try await refused { $0.press = "snapkv" } == "tessera.budget")
            #expect(try await refused { ($0.press, $0.budget) = ("squeeze", "50%") } == "tessera.press")
            #expect(try await refused { ($0.press, $0.budget) = ("snapkv", "0") } == "tessera.budget")
            #expect(try await refused { $0.budget = "50%" } == "tessera.budget")
            #expect(try await refused { $0.merge = true } == "tessera.merge")
        }
    }

    @Test func `equal seeds give equal answers, and a stop text ends one`() async throws {
        try await withServer(model: questionModel) { client, _, _ in
            var request = Self.request(tokens: 24)
            (request.sampling.temperature, request.sampling.seed) = (1.3, 7)
            let answers = try await [client.chat(request), client.chat(request)].map { $0.choices[0].message.content }
            #expect(answers[0] == answers[1] && answers[0].count > 4)
            let stop = String(answers[0].dropFirst(2).prefix(2))
            request.sampling.stop = StopTexts([stop])
            let cut = try await client.chat(request).choices[0]
            #expect(cut.finishReason == "stop" && answers[0].hasPrefix(cut.message.content))
            #expect(!cut.message.content.contains(stop))
        }
    }

    @Test func `serves a document that has just the routes that it answers`() throws {
        struct Document: Decodable { var paths: [String: [String: AnyField]] }
        let document = try JSONDecoder().decode(Document.self, from: Data(OpenAPIDocument.text.utf8))
        let described = document.paths.flatMap { path, methods in
            methods.keys.filter { $0 != "parameters" }.map { "\($0.uppercased()) \(path)" }
        }
        try withTemporaryDirectory { folder in
            var configuration = SidecarConfiguration(
                model: smallModel, store: folder.appendingPathComponent("store").path, socket: "unused")
            configuration.leases.folder = folder.appendingPathComponent("leases").path
            let cache = try ContextCache(model: smallModel, store: configuration.store)
            let state = SidecarState(
                configuration, caches: try TenantCaches(cache, tenants: configuration.tenants),
                tenancy: try Tenancy(configuration.tenants, own: 0), leases: try LeaseDesk(configuration.leases))
            let answered = state.routes.map { "\($0.method.rawValue) \($0.path)" }
            #expect(Set(described) == Set(answered))
        }
    }

    @Test func `tells one tenant nothing of another's chunks`() async throws {
        let tokens = ["a": "tenant-a-tenant-a-tenant-a", "b": "tenant-b-tenant-b-tenant-b"]
        try await withServer { configuration, folder in
            configuration.tenants = try [
                Tenant(name: "own", isAdministrator: true),
                Tenant(name: "a", tokenFile: tokenFile(tokens["a"] ?? "", in: folder)),
                Tenant(name: "b", tokenFile: tokenFile(tokens["b"] ?? "", in: folder)),
            ]
        } _: { own, _, configuration in
            let a = TesseraClient(socket: configuration.socket, token: tokens["a"])
            let b = TesseraClient(socket: configuration.socket, token: tokens["b"])
            let chunk: [Int32] = Array(20..<60)
            let job = try await a.warm(WarmRequest(chunks: [.tokens(chunk)]))
            for try await _ in a.jobEvents(job.id) {}
            let id = try #require(try await a.job(job.id).documents?.first?.chunks.first)
            let lease = try await a.stitch(StitchRequest(segments: [.chunk(.id(id))], tessera: Self.reuse))
            #expect(try await a.chunk(id).tokenIds == chunk)

            for stranger in [b, own] {
                #expect(try await stranger.chunks().isEmpty)
                #expect(try await stranger.leases().isEmpty)
                #expect(try await stranger.jobs().isEmpty)
                #expect(try await stranger.chunks(begins: String(id.prefix(8))).isEmpty)
                await expectNotFound { _ = try await stranger.chunk(id) }
                await expectNotFound { try await stranger.delete(chunk: id) }
                await expectNotFound { try await stranger.pin([id]) }
                await expectNotFound { try await stranger.unpin([id]) }
                await expectNotFound { _ = try await stranger.plan(PlanRequest(segments: [.chunk(.id(id))])) }
                await expectNotFound { _ = try await stranger.stitch(StitchRequest(segments: [.chunk(.id(id))])) }
                await expectNotFound { try await stranger.release(lease: lease.id) }
                await expectNotFound { try await stranger.renew(lease: lease.id) }
                await expectNotFound { _ = try await stranger.job(job.id) }
                await expectNotFound { try await stranger.cancelJob(job.id) }
                let plan = try await stranger.plan(
                    PlanRequest(segments: [.chunk(.tokens(chunk))], tessera: Self.reuse))
                #expect(plan.chunks[0].id != id && !plan.chunks[0].reuse)
            }
            #expect(try await b.statistics() == Statistics(rows: []))
            #expect(try await own.statistics().rows.map(\.namespace) == ["a"])
            await #expect(throws: TesseraClientError.self) { try await b.metrics() }
            #expect(try await own.metrics().contains("tessera_leases 1"))
            #expect(try await a.chunk(id).entry.pinned == false)
            for client in [a, b] { try await client.shutdown() }
        }
    }

    private func expectNotFound(_ body: () async throws -> Void) async {
        let error = await #expect(throws: TesseraClientError.self) { try await body() }
        #expect(error?.kind == .refused(status: 404), "\(error?.message ?? "")")
    }

    private static var reuse: ReuseOptions {
        var options = ReuseOptions()
        (options.assembly, options.selector, options.ungated) = ("stitched", "none", true)
        return options
    }

    @Test func `a lease is a file that its holder alone reads, until it ends`() async throws {
        try await withServer { configuration, _ in
            configuration.leases.mostLeases = 2
        } _: { client, _, configuration in
            let job = try await client.warm(WarmRequest(chunks: [.tokens(Array(30..<50))]))
            for try await _ in client.jobEvents(job.id) {}
            let request = StitchRequest(
                segments: [.tokens([5, 6]), .chunk(.tokens(Array(30..<50)))], tessera: Self.reuse, seconds: 600)
            let lease = try await client.stitch(request)
            let attributes = try FileManager.default.attributesOfItem(atPath: lease.path)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
            #expect((attributes[.size] as? NSNumber)?.intValue == lease.bytes && lease.valid == [[2, 22]])
            let folder = try FileManager.default.attributesOfItem(atPath: configuration.leases.folder)
            #expect((folder[.posixPermissions] as? NSNumber)?.intValue == 0o711)

            let other = try await client.stitch(request)
            let busy = await #expect(throws: TesseraClientError.self) { try await client.stitch(request) }
            #expect(busy?.kind == .busy(retryAfter: 1))
            try await client.release(lease: other.id)
            #expect(!FileManager.default.fileExists(atPath: other.path))
            await expectNotFound { try await client.release(lease: other.id) }

            let renewed = try await client.renew(lease: lease.id, seconds: 1200)
            #expect(renewed.expires > lease.expires)
            // What is mapped stays what it is.
            let mapped = try Data(contentsOf: URL(fileURLWithPath: lease.path), options: .alwaysMapped)
            let before = Data(mapped.prefix(4096))
            try await client.renew(lease: lease.id, seconds: 1)
            for _ in 0..<100 where FileManager.default.fileExists(atPath: lease.path) {
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(try await client.leases().isEmpty)
            #expect(!FileManager.default.fileExists(atPath: lease.path))
            #expect(mapped.prefix(4096) == before && mapped.count == lease.bytes)
        }
    }

    @Test func `a missing chunk is left, computed or refused, as the client wants`() async throws {
        try await withServer { client, _, _ in
            var request = StitchRequest(segments: [.chunk(.tokens(Array(30..<50)))], tessera: Self.reuse)
            let left = try await client.stitch(request)
            #expect(left.valid == [])
            request.missing = "refuse"
            await expectNotFound { _ = try await client.stitch(request) }
            request.missing = "compute"
            #expect(try await client.stitch(request).valid == [[0, 20]])
        }
    }

    @Test func `whoever comes when too many wait is told to come again`() async throws {
        try await withServer(model: questionModel) { configuration, _ in
            (configuration.cache.scheduling.answersAtOnce, configuration.cache.scheduling.waitingRequests) = (1, 0)
        } _: { client, _, _ in
            let long = Self.request(tokens: 400)
            var turnedAway = 0
            for try await event in client.streamedChat(long) {
                guard event.choices.first?.delta.role != nil else { continue }
                let error = await #expect(throws: TesseraClientError.self) { try await client.chat(Self.request()) }
                #expect(error?.kind == .busy(retryAfter: 1))
                turnedAway += 1
            }
            #expect(turnedAway == 1)
            #expect(try await client.metrics().contains(#"tessera_rejected_requests_total{reason="busy"} 1"#))
        }
    }

    @Test func `answers that nobody waits for leave nothing behind`() async throws {
        try await withServer(model: questionModel) { client, _, _ in
            for _ in 0..<3 {
                for try await event in client.streamedChat(Self.request(tokens: 1500)) {
                    if event.choices.first?.delta.content?.isEmpty == false { break }
                }
            }
            for _ in 0..<200 where try await !client.metrics().contains("tessera_running_requests 0") {
                try await Task.sleep(for: .milliseconds(20))
            }
            let metrics = try await client.metrics()
            #expect(metrics.contains("tessera_running_requests 0") && metrics.contains("tessera_waiting_requests 0"))
        }
    }

    @Test func `a warm-up can be stopped and gone on with`() async throws {
        try await withServer { client, _, _ in
            let chunks = (0..<400).map { start in ChunkReference.tokens((0..<64).map { Int32(3 + (start + $0) % 240) })
            }
            let job = try await client.warm(WarmRequest(chunks: chunks))
            var last = job
            for try await event in client.jobEvents(job.id) {
                last = event
                if event.chunksDone >= 20 { try await client.cancelJob(job.id) }
            }
            #expect(last.state == .cancelled && last.chunksDone >= 16 && last.chunksDone < 240)
            try await client.resumeJob(job.id)
            for try await event in client.jobEvents(job.id) { last = event }
            #expect(last.state == .done && last.chunksDone == 240 && last.chunks == 240)
            #expect(try await client.chunks(kind: "chunk", limit: 1000).count == 240)
            let again = await #expect(throws: TesseraClientError.self) { try await client.resumeJob(job.id) }
            #expect(again?.kind == .refused(status: 400))
        }
    }

    @Test func `a server that ends brings answers under way to their end, and turns new ones away`() async throws {
        try await withServer(model: questionModel) { client, server, configuration in
            var pieces = 0
            var ending: String?
            for try await event in client.streamedChat(Self.request(tokens: 60)) {
                pieces += 1
                ending = event.choices.first?.finishReason ?? ending
                if pieces == 3 { server.end() }
            }
            #expect(ending != nil && pieces > 3)
            for _ in 0..<100 where FileManager.default.fileExists(atPath: configuration.socket) {
                try await Task.sleep(for: .milliseconds(20))
            }
            let late = TesseraClient(socket: configuration.socket)
            let error = await #expect(throws: TesseraClientError.self) { try await late.models() }
            #expect(error?.kind == .unreachable && error?.message.contains(configuration.socket) == true)
            try await late.shutdown()
        }
    }

    @Test func `the example in the README runs`() async throws {
        let example = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "ClientExample.swift")
        let code = try String(contentsOf: example, encoding: .utf8).split(separator: "\n\n", maxSplits: 1)[1]
        let readme = fixtures.deletingLastPathComponent().appending(path: "README.md")
        #expect(try String(contentsOf: readme, encoding: .utf8).contains("```swift\n\(code)```"))
        try await withServer(model: questionModel) { _, _, configuration in
            let answer = try await ask("Who owns the mill?", of: Self.documents, at: configuration.socket)
            #expect(!answer.isEmpty)
        }
    }

    @Test func `a store that a server holds says how to ask the server`() async throws {
        try await withServer { _, _, configuration in
            let error = #expect(throws: TesseraError.self) {
                try ContextCache(model: smallModel, store: configuration.store)
            }
            #expect(error?.code == .locked && error?.message.contains("--socket \(configuration.socket)") == true)
        }
    }

    @Test func `a user on no list is turned away`() async throws {
        try await withServer { configuration, _ in
            configuration.tenants = [Tenant(name: "other", users: [4_000_000_000])]
        } _: { client, _, _ in
            // We run as the server's own user, who belongs to the first tenant whatever its list says.
            let models = try await client.models()
            #expect(models.count == 1)
        }
        let tenancy = try Tenancy([Tenant(name: "other", users: [1])], own: 500)
        #expect(throws: Tenancy.Refusal.forbidden) { try tenancy.tenant(of: .user(2), authorization: nil) }
    }
}
