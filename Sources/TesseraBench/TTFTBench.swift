// SPDX-License-Identifier: Apache-2.0

public import Tessera
internal import TesseraKV
internal import TesseraReuse

/// `tessera bench ttft`: how much sooner the first token comes, per assembly, against a full prefill in the same run.
public struct TTFTBench: Sendable {
    /// One assembly's figures: medians over the runs.
    public struct Result: Sendable, Codable {
        /// The assembly's name.
        public var assembly: String
        /// The selector's name; nil for `exact`.
        public var selector: String?
        /// The share of reused tokens that was asked for; nil where the selector takes none.
        public var ratio: Double?
        /// Token-layers computed ÷ all token-layers of reused tokens.
        public var effectiveRecompute: Double
        /// Seconds to the first token.
        public var ttftSeconds: Double
        /// Seconds that an exact-prefix hit from RAM takes which computes as many tokens in each layer behind the
        /// same keys.
        public var idealSeconds: Double
        /// `exact`'s median over this one's.
        public var speedup: Double
    }

    /// What the bench found.
    public struct Report: Sendable, Codable {
        /// Contexts in the prompt.
        public var chunks: Int
        /// Tokens of each.
        public var chunkTokens: Int
        /// Tokens of the question.
        public var questionTokens: Int
        /// How often each assembly ran.
        public var runs: Int
        /// One entry per assembly.
        public var results: [Result]
    }

    /// Contexts in the prompt.
    public var chunks = 6
    /// Tokens of each.
    public var chunkTokens = 512
    /// Tokens of the question.
    public var questionTokens = 64
    /// How often each assembly runs; the runs take turns.
    public var runs = 3
    /// What is measured beside `exact`.
    public var assemblies: [Assembly] = [
        .stitched(.deviation, ratio: 0.15, variants: .isolated), .stitched(.storedScore(), ratio: 0.15),
        .stitched(.firstK(count: 2), ratio: 0, variants: .isolated), .stitched(.none, ratio: 0, variants: .isolated),
    ]

    /// The bench of the README: 6 chunks of 512 tokens, a question of 64.
    public init() {}

    /// Warms the store with random chunks and measures.
    ///
    /// - Parameters:
    ///   - cache: A model with a store.
    ///   - progress: Told what runs now.
    public func run(on cache: ContextCache, progress: (String) -> Void = { _ in }) async throws -> Report {
        let prompt = randomPrompt(vocabulary: cache.model.vocabulary)
        progress("warming \(chunks) chunks of \(chunkTokens) tokens")
        try await cache.ingest(contextsOf: prompt)
        // Scores for storedScore: each chunk once behind the one that stands behind it in the prompt.
        let ids = prompt.contexts.map { if case .tokens(let ids) = $0 { ids } else { [TokenID]() } }
        for (place, chunk) in ids.enumerated() where chunks > 1 {
            try await cache.ingest(chunk: chunk, behind: [ids[(place + 1) % chunks]])
        }
        let candidates = [Assembly.exact] + assemblies
        var samples = candidates.map { _ in [(report: ReuseReport, ideal: Double)]() }
        for round in 0...runs {
            for (index, assembly) in candidates.enumerated() {
                progress(round == 0 ? "warm-up, \(assembly.name)" : "run \(round) of \(runs), \(assembly.name)")
                let sample = try await cache.measure(prompt, assembly: assembly)
                // The first round fills caches and packs kernels; it does not count.
                if round > 0 { samples[index].append(sample) }
            }
        }
        return report(samples)
    }

    private func report(_ samples: [[(report: ReuseReport, ideal: Double)]]) -> Report {
        let exact = median(samples[0].map(\.report.timeToFirstToken))
        let results = samples.compactMap { runs -> Result? in
            guard let first = runs.first?.report else { return nil }
            let seconds = median(runs.map(\.report.timeToFirstToken))
            return Result(
                assembly: first.assembly, selector: first.selector, ratio: first.ratio,
                effectiveRecompute: first.effectiveRecompute, ttftSeconds: seconds,
                idealSeconds: median(runs.map(\.ideal)), speedup: exact / seconds)
        }
        return Report(
            chunks: chunks, chunkTokens: chunkTokens, questionTokens: questionTokens, runs: runs, results: results)
    }

    private func randomPrompt(vocabulary: Int) -> Prompt {
        var generator = SplitMix64(seed: 7)
        func tokens(_ count: Int) -> Prompt.Segment {
            .tokens((0..<count).map { _ in TokenID.random(in: 2..<TokenID(vocabulary), using: &generator) })
        }
        return Prompt(
            system: nil, contexts: (0..<chunks).map { _ in tokens(chunkTokens) }, question: tokens(questionTokens))
    }
}

/// The middle of some figures, or the mean of the two in the middle; 0 for none.
public func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
