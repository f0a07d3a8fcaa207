// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Tessera
internal import TesseraKV
internal import TesseraReuse

/// Asks the questions of a suite under many assemblies and compares what comes of them with `exact`.
///
/// A question's contexts are encoded without the question, alone and, where that is wanted, behind contexts of other
/// questions; the KV goes through the store's codec, but not over the disk. Answers are greedy. An assembly that finds
/// every token of `exact`'s answer likeliest gives that answer, and only otherwise it is written out.
public struct QualityBench: Sendable {
    /// What is compared with `exact`.
    public var assemblies: [Assembly]
    /// How many contexts of other questions each context is encoded behind, for the assemblies that use such variants; 0
    /// for none.
    public var neighbours = 3
    /// How often that is done, each time behind others.
    public var passes = 4
    /// Whether each selector is compared with random selection at equal effective recompute.
    public var controls = true
    /// Questions that are timed.
    public var timed = 24
    /// The most tokens of an answer.
    public var maximumTokens = 64

    /// A bench of some assemblies.
    public init(_ assemblies: [Assembly]) {
        self.assemblies = assemblies
    }

    /// The assemblies that are compared unless others are asked for: each selector at 15 and 30 %, and the controls.
    ///
    /// - Parameters:
    ///   - layers: The model's layers; deviation is measured in the papers' layer and in the middle.
    ///   - ratios: The shares to recompute.
    ///   - parallel: APE's temperature and scale.
    public static func standard(
        layers: Int, ratios: [Double] = [0.15, 0.3], parallel: (temperature: Double, scale: Double) = (1, 1)
    ) -> [Assembly] {
        let middle = layers / 2
        var selectors: [Selector] = [
            .storedScore(), .storedScore(StoredScore(score: .mean)), .storedScore(StoredScore(focuses: true)),
            .deviation, .deviation(layer: 1, of: .keys), .deviation(layer: 1, gradual: true),
        ]
        if middle > 1 { selectors.append(.deviation(layer: middle)) }
        selectors += [
            .deviationAttention(layer: max(1, middle)), .deviationAttention(layer: 1),
            .deviationAttention(layer: 1, repairs: 3), .question, .random(seed: 1),
        ]
        var list: [Assembly] = [
            .stitched(.none, ratio: 0, variants: .isolated), .stitched(.none, ratio: 0, variants: .contextual),
            .stitched(.firstK(count: 2), ratio: 0, variants: .isolated),
        ]
        for selector in selectors { list += ratios.map { .stitched(selector, ratio: $0, variants: .isolated) } }
        // The methods whose sources keep KV that was captured behind other chunks.
        for selector in [Selector.storedScore(), .question] {
            list += ratios.map { .stitched(selector, ratio: $0, variants: .contextual) }
        }
        list.append(.stitched(.all, ratio: 1, variants: .isolated))
        list.append(.parallel(temperature: parallel.temperature, scale: parallel.scale))
        return list
    }

    /// Asks every question under every assembly.
    ///
    /// - Parameters:
    ///   - questions: A suite.
    ///   - cache: A model; its store is used for the timed questions alone.
    ///   - workers: Caches of the same model that ask in its place, as many questions at once; none for one at a time.
    ///   - progress: Told how many questions are done.
    ///   - goesOn: Asked before each question; the bench ends early where it says no.
    public func run(
        _ questions: [QualityQuestion], on cache: ContextCache, workers: [ContextCache] = [],
        progress: (Int) -> Void = { _ in }, goesOn: (Int) -> Bool = { _ in true }
    ) async throws -> QualityReport {
        guard !questions.isEmpty else { throw TesseraError(.invalidInput, "the suite has no questions") }
        for question in questions { try check(question, on: cache) }
        let asked = try await ask(
            questions, on: workers.isEmpty ? [cache] : workers, progress: progress, goesOn: goesOn)
        var tallies = ([Assembly.exact] + assemblies).enumerated().map { index, assembly in
            QualityTally(assembly, asked.map { $0[index] })
        }
        for number in 0..<min(timed, asked.count) {
            try await time(
                questions[number], behind: others(than: number, in: questions, cache), on: cache, &tallies)
        }
        let kinds = questions.prefix(asked.count).map(\.kind)
        let lengths = try questions.prefix(asked.count).map { try cache.tokens(of: $0.prompt).count }
        return QualityReport(
            model: cache.model.name, kinds: kinds.reduce(into: []) { if !$0.contains($1) { $0.append($1) } },
            questions: Dictionary(grouping: kinds, by: { $0 }).mapValues(\.count),
            promptTokens: [lengths.min() ?? 0, Int(median(lengths.map { Double($0) })), lengths.max() ?? 0],
            neighbours: neighbours, results: tallies.compactMap { $0.result(exact: tallies[0], kinds: kinds) })
    }

    /// Refuses what the model's context has no room for, before hours have gone by.
    private func check(_ question: QualityQuestion, on cache: ContextCache) throws(TesseraError) {
        let count = try cache.tokens(of: question.prompt).count
        guard count < cache.model.contextLength else {
            throw TesseraError(
                .tooLong,
                "the question \"\(question.question)\" has a prompt of \(count) tokens, and the model's context is "
                    + "\(cache.model.contextLength); leave it out, or give it fewer or smaller contexts")
        }
    }

    /// What came of the questions that were asked, in their order.
    private func ask(
        _ questions: [QualityQuestion], on workers: [ContextCache], progress: (Int) -> Void, goesOn: (Int) -> Bool
    ) async throws -> [[QualityOutcomes]] {
        try await withThrowingTaskGroup(of: (worker: ContextCache, number: Int, outcomes: [QualityOutcomes]).self) {
            group in
            var asked: [Int: [QualityOutcomes]] = [:]
            var next = 0
            func goOn(_ worker: ContextCache) {
                guard next < questions.count, goesOn(next) else { return }
                let number = next
                group.addTask {
                    try await worker.hold(
                        questions[number].prompt, neighbours: others(than: number, in: questions, worker))
                    return (worker, number, try await ask(questions[number], number, on: worker))
                }
                next += 1
            }
            for worker in workers { goOn(worker) }
            while let done = try await group.next() {
                asked[done.number] = done.outcomes
                progress(asked.count)
                goOn(done.worker)
            }
            for worker in workers { await worker.letGo() }
            return (0..<next).compactMap { asked[$0] }
        }
    }

    // MARK: One question

    /// What comes of a question under `exact` and under each assembly.
    private func ask(
        _ question: QualityQuestion, _ number: Int, on cache: ContextCache
    ) async throws -> [QualityOutcomes] {
        let options = AnswerOptions(assembly: .exact, maximumTokens: maximumTokens, keepsMisses: false)
        let exact = try await cache.answer(question.prompt, options: options)
        let reference = Reference(
            answer: exact,
            along: try await cache.logits(of: question.prompt, along: exact.tokens, assembly: .exact).logits,
            isRight: isRight(exact.text, among: question.answers), vocabulary: cache.model.vocabulary)
        let first = QualityOutcome(
            right: reference.isRight, same: true, divergence: 0, agreement: 1, report: exact.report)
        var all = [QualityOutcomes(first)]
        // Selectors that compute as much share a control.
        var known: [Assembly: QualityOutcome] = [:]
        for assembly in assemblies {
            var outcomes = QualityOutcomes(
                try await outcome(of: question, under: assembly, against: reference, on: cache))
            if controls, let random = assembly.control(outcomes.own.report.effectiveRecompute, seed: UInt64(number)) {
                if known[random] == nil {
                    known[random] = try await outcome(of: question, under: random, against: reference, on: cache)
                }
                outcomes.random = known[random]
            }
            all.append(outcomes)
        }
        return all
    }

    private struct Reference {
        var answer: Answer
        /// The highest logit's place in each row of the answer.
        var highest: [Int]
        var distributions: ReferenceDistributions
        var isRight: Bool
        var vocabulary: Int

        init(answer: Answer, along logits: [Float], isRight: Bool, vocabulary: Int) {
            self.answer = answer
            (self.isRight, self.vocabulary) = (isRight, vocabulary)
            highest = rows(of: logits, vocabulary).map { TesseraBench.highest($0) }
            distributions = ReferenceDistributions(logits, vocabulary: vocabulary)
        }
    }

    private func outcome(
        of question: QualityQuestion, under assembly: Assembly, against reference: Reference, on cache: ContextCache
    ) async throws -> QualityOutcome {
        let path = reference.answer.tokens
        var (logits, report) = try await cache.logits(of: question.prompt, along: path, assembly: assembly)
        let same = zip(rows(of: logits, reference.vocabulary), reference.highest).map { highest($0) == $1 }
        var (right, isSame) = (reference.isRight, true)
        if !same.allSatisfy({ $0 }) || assembly.repairsWhileDecoding {
            let options = AnswerOptions(
                assembly: assembly, ungated: true, maximumTokens: maximumTokens, keepsMisses: false)
            let answer = try await cache.answer(question.prompt, options: options)
            right = isRight(answer.text, among: question.answers)
            isSame = answer.tokens == path
            // An answer that is written out may have been repaired meanwhile.
            report.effectiveRecompute = answer.report.effectiveRecompute
        }
        return QualityOutcome(
            right: right, same: isSame,
            divergence: reference.distributions.meanDivergence(to: logits),
            agreement: Double(same.count { $0 }) / Double(max(1, same.count)), report: report)
    }

    /// Times every assembly with the question's chunks in the store, alone and behind others.
    private func time(
        _ question: QualityQuestion, behind runs: [[[TokenID]]], on cache: ContextCache,
        _ tallies: inout [QualityTally]
    ) async throws {
        try await cache.ingest(contextsOf: question.prompt)
        for context in question.contexts {
            let chunk = cache.tokenizer.encode(context, special: false)
            for run in runs { try await cache.ingest(chunk: chunk, behind: run) }
        }
        for round in 0..<2 {
            for index in tallies.indices {
                let options = AnswerOptions(
                    assembly: tallies[index].assembly, ungated: true, maximumTokens: 1, keepsMisses: false)
                let seconds = try await cache.answer(question.prompt, options: options).report.timeToFirstToken
                // The first round brings the chunks into memory.
                if round > 0 { tallies[index].seconds.append(seconds) }
            }
        }
    }

    /// For a question's contexts, runs of contexts of other questions, the same ones in every run of the bench. They share
    /// them, so that each run is computed once.
    private func others(
        than number: Int, in questions: [QualityQuestion], _ cache: ContextCache
    ) -> [[[TokenID]]] {
        guard neighbours > 0, questions.count > 1 else { return [] }
        var generator = SplitMix64(seed: UInt64(number) &* 0x9E37_79B9 &+ 17)
        let own = questions[number].contexts
        return (0..<passes).map { _ in
            (0..<neighbours).map { _ in
                let step = Int.random(in: 1..<questions.count, using: &generator)
                // Questions may share their contexts; one further on has others.
                let others = (0..<questions.count).lazy.map { further in
                    questions[(number + step + further) % questions.count].contexts.filter { !own.contains($0) }
                }.first { !$0.isEmpty }
                return others?.randomElement(using: &generator).map { cache.tokenizer.encode($0, special: false) } ?? []
            }
        }
    }
}

extension Assembly {
    /// Whether its answer may differ from what a forced answer tells.
    fileprivate var repairsWhileDecoding: Bool {
        if case .stitched(.deviationAttention(_, let repairs), _, _) = self { repairs > 0 } else { false }
    }

    /// Random selection of as much, to a ten-thousandth; nil where a comparison tells nothing.
    fileprivate func control(_ effectiveRecompute: Double, seed: UInt64) -> Assembly? {
        guard case .stitched(let selector, _, let variants) = self, selector.isControllable else { return nil }
        let share = (min(1, max(0, effectiveRecompute)) * 10_000).rounded() / 10_000
        return .stitched(.random(seed: seed), ratio: share, variants: variants)
    }
}

extension Selector {
    /// Whether a comparison with random selection tells anything.
    fileprivate var isControllable: Bool {
        switch self {
        case .none, .all, .random: false
        default: true
        }
    }
}

/// Logits of shape (row, vocabulary) row by row.
func rows(of logits: [Float], _ vocabulary: Int) -> [ArraySlice<Float>] {
    stride(from: 0, to: logits.count, by: vocabulary).map { logits[$0..<$0 + vocabulary] }
}

/// The place of the highest number.
func highest(_ numbers: ArraySlice<Float>) -> Int {
    var best = numbers.startIndex
    for index in numbers.indices where numbers[index] > numbers[best] { best = index }
    return best - numbers.startIndex
}
