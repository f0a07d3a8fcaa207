// SPDX-License-Identifier: Apache-2.0

public import Foundation
internal import TesseraAPI
internal import TesseraKV

/// `tessera bench sidecar`: what the server adds to what the cache does, each figure against a round trip that does
/// nothing, or against a plain copy.
public struct SidecarBench: Sendable {
    /// What the bench found.
    public struct Report: Sendable, Codable {
        /// Round trips of `/healthz` a second on one core, and the same with all clients of the chat.
        public var idleRate: Double
        /// Plans a second that name their chunks by id, on one core.
        public var planRate: Double
        /// The 99th percentile of a plan's seconds at half that load.
        public var planLatency: Double
        /// Plans a second that have their chunks' tokens in the body, on one core.
        public var tokenPlanRate: Double
        /// Chats at once.
        public var clients: Int
        /// Seconds of a chat outside of the engine and the queue, waiting for the cache being in the queue: median, 99th percentile and mean.
        public var overheadMedian, overheadTail, overheadMean: Double
        /// Chats a second.
        public var chatRate: Double
        /// Bytes of a lease.
        public var leaseBytes: Int
        /// Seconds from the request for a lease out of the RAM tier to its answer: median.
        public var leaseSeconds: Double
        /// Seconds to write as many bytes from memory to a new file there, on as many threads: median.
        public var copySeconds: Double
    }

    /// Chunks of a plan.
    public var chunks = 20
    /// Tokens of each.
    public var chunkTokens = 512
    /// Chats at once.
    public var clients = 16
    /// Seconds of each measurement.
    public var seconds = 5.0
    /// Leases that are taken.
    public var leases = 15

    /// The bench of the README.
    public init() {}

    /// A model of random weights whose prompts are long and whose KV is wide: a lease of 12,800 tokens has 100 MB.
    private static let wide = RandomModel(
        layers: 2, width: 1024, queryHeads: 8, heads: 8, feedForward: 1024, vocabulary: 4096, contextLength: 16_384)

    /// Measures.
    ///
    /// - Parameters:
    ///   - model: The model that chats are asked of.
    ///   - folder: A folder for stores, sockets and the model of the plans; it is removed.
    public func run(
        model: String, in folder: URL, progress: (String) -> Void = { _ in }
    ) throws -> Report {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let wide = folder.appendingPathComponent("wide.gguf").path
        try Self.wide.write(to: wide)
        progress("plans on one core")
        let plans = try measurePlans(wide, folder.appendingPathComponent("plans"))
        progress("chats of \(clients) clients")
        let chats = try measureChats(model, folder.appendingPathComponent("chats"))
        progress("leases of 100 MB")
        let leases = try measureLeases(wide, folder.appendingPathComponent("leases"))
        return Report(
            idleRate: plans.idle, planRate: plans.ids.rate, planLatency: plans.half.latencies.quantile(0.99),
            tokenPlanRate: plans.tokens.rate, clients: clients, overheadMedian: chats.values.quantile(0.5),
            overheadTail: chats.values.quantile(0.99),
            overheadMean: chats.values.reduce(0, +) / Double(max(1, chats.values.count)), chatRate: chats.rate,
            leaseBytes: leases.bytes, leaseSeconds: leases.seconds, copySeconds: leases.copy)
    }

    // MARK: Plans

    private func measurePlans(
        _ model: String, _ folder: URL
    ) throws -> (idle: Double, ids: LoadRun.Outcome, half: LoadRun.Outcome, tokens: LoadRun.Outcome) {
        // The clients are held on the other core, where there is one.
        let server = try ServerProcess(model: model, folder: folder, core: 0, settings: [:])
        defer { server.stop() }
        let tokens = chunkTokens(chunks)
        let ids = try warm(tokens, server)
        let run = LoadRun(socket: server.socket, clients: 8, seconds: seconds)
        let idle = try run.run(RawConnection.request("GET", "/healthz"))
        let byID = try post("/v1/plan", PlanRequest(segments: ids.map { .chunk(.id($0)) }, tessera: Self.reuse))
        let byTokens = try post(
            "/v1/plan", PlanRequest(segments: tokens.map { .chunk(.tokens($0)) }, tessera: Self.reuse))
        let found = try checked(run.run(byID))
        var half = run
        half.rate = found.rate / 2
        return (idle.rate, found, try checked(half.run(byID)), try checked(run.run(byTokens)))
    }

    // MARK: Chats

    private func measureChats(_ model: String, _ folder: URL) throws -> LoadRun.Outcome {
        let server = try ServerProcess(model: model, folder: folder, core: nil, settings: [:])
        defer { server.stop() }
        var sampling = SamplingFields()
        (sampling.temperature, sampling.maxTokens) = (0, 16)
        let request = try post(
            "/v1/chat/completions",
            ChatRequest(
                messages: [.init(role: "user", content: "Who owns the mill?")],
                documents: (0..<4).map { .text("Report \($0): the mill burnt down in 18\($0 + 40).\n\n") },
                tessera: Self.reuse, sampling: sampling))
        var run = LoadRun(socket: server.socket, clients: clients, seconds: 2)
        _ = try run.run(request)
        run.seconds = seconds
        return try checked(
            run.run(request) { body, seconds in
                guard let response = try? APICoding.decoder.decode(ChatResponse.self, from: Data(body)) else {
                    return nil
                }
                let stages = response.tessera.stages
                return seconds - stages.queue - stages.load - stages.prefill - stages.decode
            })
    }

    // MARK: Leases

    private func measureLeases(
        _ model: String, _ folder: URL
    ) throws -> (bytes: Int, seconds: Double, copy: Double) {
        let server = try ServerProcess(
            model: model, folder: folder, core: nil,
            settings: ["TESSERA_RAM_CAP": "1GB", "TESSERA_LEASE_MEMORY": "400MB"])
        defer { server.stop() }
        let ids = try warm(chunkTokens(25), server)
        let request = try post(
            "/v1/stitch",
            StitchRequest(segments: ids.map { .chunk(.id($0)) }, tessera: Self.reuse))
        let connection = try RawConnection(server.socket)
        var (times, copies, bytes): ([Double], [Double], Int) = ([], [], 0)
        for round in 0..<leases + 3 {
            let start = ContinuousClock.now
            let (status, body) = try connection.exchange(request)
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            guard status == 201 else { throw Self.refused(status, body) }
            let lease = try APICoding.decoder.decode(Lease.self, from: Data(body))
            bytes = lease.bytes
            let copy = try FileCopy(bytes: bytes, beside: lease.path).seconds(threads: 2)
            _ = try connection.exchange(RawConnection.request("DELETE", "/v1/leases/\(lease.id)"))
            // The first ones read from the disk, and bring the chunks into memory.
            if round >= 3 { (times, copies) = (times + [seconds], copies + [copy]) }
        }
        return (bytes, median(times), median(copies))
    }

    // MARK: Requests

    private static var reuse: ReuseOptions {
        var options = ReuseOptions()
        (options.assembly, options.selector, options.ungated) = ("stitched", "deviation", true)
        return options
    }

    private func chunkTokens(_ count: Int) -> [[Int32]] {
        var generator = SplitMix64(seed: 5)
        return (0..<count).map { _ in (0..<chunkTokens).map { _ in Int32.random(in: 300..<4000, using: &generator) } }
    }

    /// Has chunks computed and kept, and gives their ids.
    private func warm(_ chunks: [[Int32]], _ server: ServerProcess) throws -> [String] {
        let connection = try RawConnection(server.socket)
        let started = try connection.exchange(post("/v1/warm", WarmRequest(chunks: chunks.map { .tokens($0) })))
        guard started.status == 202 else { throw Self.refused(started.status, started.body) }
        var job = try APICoding.decoder.decode(Job.self, from: Data(started.body))
        while !job.state.isOver {
            Thread.sleep(forTimeInterval: 0.1)
            let answer = try connection.exchange(RawConnection.request("GET", "/v1/jobs/\(job.id)"))
            job = try APICoding.decoder.decode(Job.self, from: Data(answer.body))
        }
        guard job.state == .done else { throw TesseraError(.io, job.error?.message ?? "the warm-up was stopped") }
        return job.documents?.flatMap(\.chunks) ?? []
    }

    private func post(_ path: String, _ body: some Encodable) throws -> [UInt8] {
        RawConnection.request("POST", path, String(decoding: try APICoding.encoder.encode(body), as: UTF8.self))
    }

    private func checked(_ outcome: LoadRun.Outcome) throws -> LoadRun.Outcome {
        guard outcome.failures == 0 else {
            throw TesseraError(.io, "\(outcome.failures) of \(outcome.latencies.count) requests of the bench failed")
        }
        return outcome
    }

    private static func refused(_ status: Int, _ body: [UInt8]) -> TesseraError {
        let error = try? APICoding.decoder.decode(APIErrorBody.self, from: Data(body))
        return TesseraError(.io, "a request of the bench got \(status): \(error?.error.message ?? "no word")")
    }
}
