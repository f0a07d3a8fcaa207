// SPDX-License-Identifier: Apache-2.0

public import Tessera
internal import TesseraKV
internal import TesseraReuse

/// `tessera bench plan`: what deciding takes, for a prompt of many chunks with several variants each.
public struct PlanBench: Sendable {
    /// What the bench found: medians.
    public struct Report: Sendable, Codable {
        /// Chunks in the prompt.
        public var chunks: Int
        /// Contextual variants of each.
        public var variants: Int
        /// Tokens of each.
        public var chunkTokens: Int
        /// Seconds to find the records, compare the variants and plan the computation.
        public var planSeconds: Double
        /// The same when the variants were not asked for before.
        public var firstSeconds: Double
    }

    /// Chunks in the prompt.
    public var chunks = 20
    /// Contextual variants of each.
    public var variants = 5
    /// Tokens of each.
    public var chunkTokens = 64
    /// How often it is measured.
    public var runs = 20

    /// The bench of the README.
    public init() {}

    /// Fills the store with variants and plans.
    public func run(on cache: ContextCache, progress: (String) -> Void = { _ in }) async throws -> Report {
        var generator = SplitMix64(seed: 11)
        let vocabulary = TokenID(cache.model.vocabulary)
        let ids = (0..<chunks + variants).map { _ in
            (0..<chunkTokens).map { _ in TokenID.random(in: 2..<vocabulary, using: &generator) }
        }
        progress("capturing \(chunks) chunks behind \(variants) others each")
        try await cache.ingest(chunks: Array(ids.prefix(chunks)))
        for chunk in ids.prefix(chunks) {
            for neighbour in ids.suffix(variants) { try await cache.ingest(chunk: chunk, behind: [neighbour]) }
        }
        let prompt = Prompt(
            system: nil, contexts: ids.prefix(chunks).map { .tokens($0) }, question: .tokens(Array(ids[0].prefix(8))))
        let first = try await cache.planSeconds(of: prompt, assembly: .stitched(.storedScore(), ratio: 0.15))
        var samples: [Double] = []
        for _ in 0..<runs {
            samples.append(try await cache.planSeconds(of: prompt, assembly: .stitched(.storedScore(), ratio: 0.15)))
        }
        return Report(
            chunks: chunks, variants: variants, chunkTokens: chunkTokens, planSeconds: median(samples),
            firstSeconds: first)
    }
}
