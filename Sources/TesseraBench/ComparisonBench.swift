// SPDX-License-Identifier: Apache-2.0

public import Tessera
internal import TesseraKV
public import TesseraRetrieval

/// Asks the same questions under several assemblies and compares answers, distributions and time.
public struct ComparisonBench: Sendable {
    /// One assembly's figures over all questions.
    public struct Result: Sendable, Codable {
        /// The assembly's name.
        public var assembly: String
        /// The selector's name; nil for `exact`.
        public var selector: String?
        /// The share of reused tokens that was asked for.
        public var ratio: Double?
        /// Right answers by kind of question.
        public var right: [String: Int]
        /// The layer in which the selector compared; nil where it compares nothing.
        public var checkLayer: Int?
        /// KL(exact ‖ this) of the next token, mean over the tokens of `exact`'s answer, then over questions, in nats.
        public var klMean: Double
        /// Reused tokens that were picked, mean over questions.
        public var recomputedTokens: Double
        /// Token-layers computed ÷ all token-layers of reused tokens, mean over questions.
        public var effectiveRecompute: Double
        /// Median seconds to the first token, retrieval included.
        public var ttftSeconds: Double
        /// `ttftSeconds` ÷ `exact`'s.
        public var ttftToExact: Double
    }

    /// What the bench found.
    public struct Report: Sendable, Codable {
        /// Kinds of question in alphabetical order.
        public var kinds: [String]
        /// Questions by kind.
        public var questions: [String: Int]
        /// One entry per assembly, `exact` first.
        public var results: [Result]
    }

    /// Where contexts come from.
    public var retriever: any Retriever
    /// The most chunks per question.
    public var limit: Int
    /// What is compared with `exact`.
    public var assemblies: [Assembly] = [
        .stitched(.none, ratio: 0, variants: .isolated), .stitched(.firstK(count: 2), ratio: 0, variants: .isolated),
        .stitched(.storedScore(), ratio: 0.15), .stitched(.deviation, ratio: 0.15, variants: .isolated),
        .stitched(.random(seed: 1), ratio: 0.15, variants: .isolated), .parallel(),
    ]

    /// A bench over a retriever.
    public init(retriever: any Retriever, limit: Int) {
        self.retriever = retriever
        self.limit = limit
    }

    /// Asks every question under every assembly.
    public func run(_ questions: [Question], on cache: ContextCache) async throws -> Report {
        let candidates = [Assembly.exact] + assemblies
        var tallies = candidates.map { _ in Tally() }
        for (number, question) in questions.enumerated() {
            var (reference, path): (ReferenceDistributions?, [TokenID]) = (nil, [])
            for (index, assembly) in candidates.enumerated() {
                let options = AskOptions(
                    limit: limit,
                    answer: AnswerOptions(assembly: assembly, ungated: true, maximumTokens: 64, keepsMisses: false))
                let sourced = try await cache.ask(question.question, of: retriever, options: options)
                let prompt = Prompt(
                    system: options.system, contexts: sourced.sources.map(\.text), question: question.question)
                if index == 0 { path = sourced.answer.tokens }
                let logits = try await cache.logits(of: prompt, along: path, assembly: assembly).logits
                if index == 0 { reference = ReferenceDistributions(logits, vocabulary: cache.model.vocabulary) }
                let drift = reference?.meanDivergence(to: logits) ?? 0
                // The first question fills caches; its times are not typical of any assembly.
                tallies[index].add(sourced.answer, to: question, divergence: drift, timed: number > 0)
            }
        }
        let exact = median(tallies[0].seconds)
        return Report(
            kinds: Set(questions.map(\.kind)).sorted(),
            questions: Dictionary(grouping: questions, by: \.kind).mapValues(\.count),
            results: tallies.compactMap { $0.result(exact: exact) })
    }
}

/// One assembly's sums.
private struct Tally {
    var right: [String: Int] = [:]
    var divergences: [Double] = []
    var recomputed: [Double] = []
    var effective: [Double] = []
    var seconds: [Double] = []
    var last: ReuseReport?

    mutating func add(_ answer: Answer, to question: Question, divergence: Double, timed: Bool) {
        if isRight(answer.text, among: question.answers) { right[question.kind, default: 0] += 1 }
        divergences.append(divergence)
        recomputed.append(Double(answer.report.recomputedTokens))
        effective.append(answer.report.effectiveRecompute)
        if timed { seconds.append(answer.report.timeToFirstToken) }
        last = answer.report
    }

    func result(exact: Double) -> ComparisonBench.Result? {
        guard let last else { return nil }
        return ComparisonBench.Result(
            assembly: last.assembly, selector: last.selector, ratio: last.ratio, right: right,
            checkLayer: last.checkLayer, klMean: mean(divergences), recomputedTokens: mean(recomputed),
            effectiveRecompute: mean(effective), ttftSeconds: median(seconds),
            ttftToExact: exact > 0 ? median(seconds) / exact : 0)
    }
}

/// The mean of some figures; 0 for none.
func mean(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
}
