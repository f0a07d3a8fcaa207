// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Tessera
internal import TesseraKV
internal import TesseraReuse

/// Replays a retrieval trace against a store that is capped, and counts how much of the prompts is computed: by a full
/// prefill, by prefix caching under the same cap, and by stitching.
public struct TraceBench: Sendable {
    /// One way's figures.
    public struct Result: Sendable, Codable {
        /// The way.
        public var name: String
        /// Token-layers computed before first tokens, question and system tokens counted, of those of a full prefill.
        public var computed: Double
        /// The share of prompt compute removed against a full prefill.
        public var removedOfFull: Double
        /// The share of prompt compute removed against prefix caching.
        public var removedOfPrefix: Double
        /// Token-layers computed when prompts were answered, to capture chunks, of those of a full prefill.
        public var captured: Double
        /// The share of chunks that were there.
        public var hitRatio: Double
        /// Right answers among the questions that were answered; nil where none were.
        public var exactMatch: Double?
        /// Points lost against a full prefill, the same questions answered.
        public var loss: PairedLoss?
    }

    /// What the bench found.
    public struct Report: Sendable, Codable {
        /// Requests replayed.
        public var requests: Int
        /// Distinct chunks.
        public var chunks: Int
        /// The share of all retrievals that goes to the most popular 5 % of the chunks.
        public var popularShare: Double
        /// Bytes of the KV of all distinct chunks.
        public var distinctBytes: Int
        /// The cap.
        public var capBytes: Int
        /// Requests whose answers were compared.
        public var answered: Int
        /// `full`, `prefix`, and the ways that were asked for.
        public var results: [Result]
    }

    /// How chunks are stitched.
    public var assembly = Assembly.stitched(.storedScore(), ratio: 0.15)
    /// The cap as a share of the bytes of all distinct chunks.
    public var cap = 0.5
    /// Requests whose answers are compared, spread evenly.
    public var answered = 500
    /// The most tokens of an answer.
    public var maximumTokens = 64

    /// The bench of the README.
    public init() {}

    /// Replays a trace.
    ///
    /// - Parameters:
    ///   - trace: The trace.
    ///   - open: Opens a cache over an empty store with a budget for chunks, in bytes; nil for none.
    ///   - progress: Told what runs now.
    public func run(
        _ trace: RetrievalTrace, open: (Int?) throws -> ContextCache, progress: (String) -> Void = { _ in }
    ) async throws -> Report {
        guard !trace.requests.isEmpty else { throw TesseraError(.invalidInput, "the trace has no requests") }
        let probe = try open(nil)
        let plan = try Sizes(trace, probe)
        let checked = Set(
            (0..<min(answered, trace.requests.count)).map { $0 * trace.requests.count / max(1, answered) })
        progress("full prefill of \(checked.count) requests")
        let exact = try await answers(trace, checked, of: probe)
        await probe.close()
        let capBytes = Int(cap * Double(plan.distinctBytes))
        progress("prefix caching of \(trace.requests.count) requests")
        let prefix = plan.prefixCaching(trace, cap: capBytes)

        let cache = try open(capBytes)
        var replay = Replay()
        for (number, request) in trace.requests.enumerated() {
            try Task.checkCancellation()
            let options = AnswerOptions(
                assembly: assembly, ungated: true, maximumTokens: checked.contains(number) ? maximumTokens : 1)
            let answer = try await cache.answer(trace.prompt(of: request), options: options)
            replay.add(answer, answers: checked.contains(number) ? request.answers : nil)
            if number % 200 == 199 { progress("stitched \(number + 1) of \(trace.requests.count) requests") }
        }
        await cache.close()
        return report(trace, plan, prefix, exact, replay, capBytes: capBytes, answered: checked.count)
    }

    /// Whether a full prefill answers each of some requests right.
    private func answers(
        _ trace: RetrievalTrace, _ checked: Set<Int>, of cache: ContextCache
    ) async throws -> [Bool] {
        var right: [Bool] = []
        for number in checked.sorted() {
            let request = trace.requests[number]
            let options = AnswerOptions(assembly: .exact, maximumTokens: maximumTokens, keepsMisses: false)
            let answer = try await cache.answer(trace.prompt(of: request), options: options)
            right.append(isRight(answer.text, among: request.answers))
        }
        return right
    }

    private func report(
        _ trace: RetrievalTrace, _ sizes: Sizes, _ prefix: (computed: Double, hitRatio: Double), _ exact: [Bool],
        _ replay: Replay, capBytes: Int, answered: Int
    ) -> Report {
        let full = sizes.promptTokenLayers
        let stitched = replay.computed
        func share(_ right: [Bool]) -> Double? {
            right.isEmpty ? nil : Double(right.count { $0 }) / Double(right.count)
        }
        let results = [
            Result(
                name: "full prefill", computed: 1, removedOfFull: 0, removedOfPrefix: 1 - full / prefix.computed,
                captured: 0, hitRatio: 0, exactMatch: share(exact), loss: nil),
            Result(
                name: "prefix caching", computed: prefix.computed / full, removedOfFull: 1 - prefix.computed / full,
                removedOfPrefix: 0, captured: 0, hitRatio: prefix.hitRatio, exactMatch: share(exact), loss: nil),
            Result(
                name: assembly.label, computed: stitched / full, removedOfFull: 1 - stitched / full,
                removedOfPrefix: 1 - stitched / prefix.computed, captured: replay.captured / full,
                hitRatio: replay.hitRatio, exactMatch: share(replay.right),
                loss: PairedLoss(reference: exact, other: replay.right)),
        ]
        return Report(
            requests: trace.requests.count, chunks: trace.chunks.count, popularShare: popularShare(trace),
            distinctBytes: sizes.distinctBytes, capBytes: capBytes, answered: answered, results: results)
    }

    private func popularShare(_ trace: RetrievalTrace) -> Double {
        var uses: [String: Int] = [:]
        for request in trace.requests { for chunk in request.chunks { uses[chunk, default: 0] += 1 } }
        let top = uses.values.sorted(by: >).prefix(max(1, trace.chunks.count / 20)).reduce(0, +)
        return Double(top) / Double(max(1, uses.values.reduce(0, +)))
    }
}

/// What stitching computed, request by request.
private struct Replay {
    var computed = 0.0
    var captured = 0.0
    var right: [Bool] = []
    private var hits = 0
    private var contexts = 0

    var hitRatio: Double { Double(hits) / Double(max(1, contexts)) }

    mutating func add(_ answer: Answer, answers: [String]?) {
        computed += Double(answer.report.computedTokenLayers)
        captured += Double(answer.report.capturedTokenLayers)
        hits += answer.report.hits
        contexts += answer.report.hits + answer.report.misses
        if let answers { right.append(isRight(answer.text, among: answers)) }
    }
}

/// How large the chunks and prompts of a trace are for a model.
private struct Sizes {
    let chunkTokens: [String: Int]
    let promptTokens: [Int]
    let bytesPerToken: Int
    let layers: Int

    init(_ trace: RetrievalTrace, _ cache: ContextCache) throws {
        let layout = cache.model.layout
        chunkTokens = trace.chunks.mapValues { cache.tokenizer.encode($0, special: false).count }
        promptTokens = try trace.requests.map { try cache.tokens(of: trace.prompt(of: $0)).count }
        bytesPerToken = cache.bytesPerToken
        layers = layout.layers
    }

    var distinctBytes: Int { chunkTokens.values.reduce(0, +) * bytesPerToken }
    var promptTokenLayers: Double { Double(promptTokens.reduce(0) { $0 + tokenLayers($1) }) }

    /// Token-layers that a prefill of so many tokens computes, counted as ``ReuseReport/computedTokenLayers``: in the last
    /// layer only the token whose logits are wanted.
    private func tokenLayers(_ tokens: Int) -> Int { tokens * (layers - 1) + 1 }

    /// Token-layers that prefix caching under a cap computes. System texts in front are always there.
    func prefixCaching(_ trace: RetrievalTrace, cap: Int) -> (computed: Double, hitRatio: Double) {
        var cache = PrefixCache(cap: cap)
        let numbers = Dictionary(uniqueKeysWithValues: trace.chunks.keys.sorted().enumerated().map { ($1, $0) })
        var (computed, hits, contexts) = (0, 0, 0)
        for (request, length) in zip(trace.requests, promptTokens) {
            let tokens = request.chunks.map { chunkTokens[$0] ?? 0 }
            let found = cache.use(request.chunks.compactMap { numbers[$0] }, sizes: tokens.map { $0 * bytesPerToken })
            computed += tokenLayers(length - tokens.prefix(found).reduce(0, +))
            hits += found
            contexts += tokens.count
        }
        return (Double(computed), Double(hits) / Double(max(1, contexts)))
    }
}
