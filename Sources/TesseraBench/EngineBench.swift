// SPDX-License-Identifier: Apache-2.0

public import Tessera
internal import TesseraKV

/// `tessera bench engine`: the model's own rates, and warm-up against them.
public struct EngineBench: Sendable {
    /// One measured rate.
    public struct Result: Sendable, Codable {
        /// What was measured.
        public var name: String
        /// Median rate.
        public var tokensPerSecond: Double
        /// The rate that it is held against; nil for the engine's own.
        public var reference: Double?
        /// `tokensPerSecond` ÷ `reference`.
        public var ratio: Double?
    }

    /// What the bench found.
    public struct Report: Sendable, Codable {
        /// One entry per measurement.
        public var results: [Result]
    }

    /// The prompt whose prefill is measured.
    public var promptTokens = 2048
    /// Tokens of a chunk for warm-up.
    public var chunkTokens = 512
    /// Chunks of one warm-up.
    public var chunks = 6
    /// How often each is measured; the runs take turns.
    public var runs = 3
    /// Another engine's rate for a prompt of so many tokens, measured anew at each call; nil for none.
    public var reference: (@Sendable (_ promptTokens: Int) throws -> Double)?

    /// The bench of the README: 2,048 tokens, and 6 chunks of 512.
    public init() {}

    /// Measures prefill of one prompt, prefill at the chunks' length, and warm-up with its writes.
    public func run(on cache: ContextCache, progress: (String) -> Void = { _ in }) async throws -> Report {
        var generator = SplitMix64(seed: 11)
        let vocabulary = TokenID(cache.model.vocabulary)
        func random(_ count: Int) -> [TokenID] {
            (0..<count).map { _ in TokenID.random(in: 2..<vocabulary, using: &generator) }
        }
        var (prompt, other, chunk, warm): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
        for round in 0...runs {
            progress(round == 0 ? "warm-up" : "run \(round) of \(runs)")
            let long = try await cache.prefillSeconds(of: random(promptTokens))
            let rival = try reference?(promptTokens)
            let batch = (0..<chunks).map { _ in random(chunkTokens) }
            var alone = 0.0
            for tokens in batch { alone += try await cache.prefillSeconds(of: tokens) }
            var watch = Stopwatch()
            try await cache.ingest(chunks: batch)
            let written = watch.lap()
            guard round > 0 else { continue }
            prompt.append(Double(promptTokens) / long)
            if let rival { other.append(rival) }
            chunk.append(Double(chunks * chunkTokens) / alone)
            warm.append(Double(chunks * chunkTokens) / written)
        }
        return Report(results: [
            Result(
                name: "prefill of \(promptTokens) tokens", tokensPerSecond: median(prompt),
                reference: other.isEmpty ? nil : median(other),
                ratio: other.isEmpty ? nil : median(zip(prompt, other).map { $0 / $1 })),
            Result(name: "prefill of \(chunkTokens) tokens", tokensPerSecond: median(chunk)),
            Result(
                name: "warm-up of \(chunks) chunks of \(chunkTokens) tokens, writes included",
                tokensPerSecond: median(warm), reference: median(chunk),
                ratio: median(zip(warm, chunk).map { $0 / $1 })),
        ])
    }
}
