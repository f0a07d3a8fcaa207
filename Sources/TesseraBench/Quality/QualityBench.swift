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
    public var passes = 2
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
            .deviation,
            .deviation(layer: 1, of: .keys), .deviation(layer: 1, gradual: true),
        ]
        if middle > 1 { selectors.append(.deviation(layer: middle)) }
        selectors += [
            .deviationAttention(layer: max(1, middle)), .deviationAttention(layer: 1),
            .deviationAttention(layer: 1, repairs: 3), .question, .random(seed: 1),
        ]
        var list: [Assembly] = [
            .stitched(.none, ratio: 0, variants: .isolated),
            .stitched(.firstK(count: 2), ratio: 0, variants: .isolated),
        ]
        for selector in selectors {
            for ratio in ratios {
                var use = VariantUse.isolated
                if case .storedScore = selector { use = .best }
                list.append(.stitched(selector, ratio: ratio, variants: use))
            }
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
    ///   - progress: Told how many questions are done.
    ///   - goesOn: Asked before each question; the bench ends early where it says no.
    public func run(
        _ questions: [QualityQuestion], on cache: ContextCache, progress: (Int) -> Void = { _ in },
        goesOn: (Int) -> Bool = { _ in true }
    ) async throws -> QualityReport {
        guard !questions.isEmpty else { throw TesseraError(.invalidInput, "the suite has no questions") }
        var tallies = ([Assembly.exact] + assemblies).map { QualityTally($0) }
        var lengths: [Int] = []
        for (number, question) in questions.enumerated() {
            guard goesOn(number) else { break }
            try Task.checkCancellation()
            lengths.append(cache.tokens(of: question.prompt).count)
            try await cache.hold(question.prompt, neighbours: others(than: number, in: questions, cache))
            try await ask(question, number, on: cache, &tallies)
            progress(number + 1)
        }
        await cache.letGo()
        for number in 0..<min(timed, lengths.count) {
            try await time(
                questions[number], behind: others(than: number, in: questions, cache), on: cache, &tallies)
        }
        let kinds = questions.prefix(lengths.count).map(\.kind)
        return QualityReport(
            model: cache.model.name, kinds: kinds.reduce(into: []) { if !$0.contains($1) { $0.append($1) } },
            questions: Dictionary(grouping: kinds, by: { $0 }).mapValues(\.count),
            promptTokens: [lengths.min() ?? 0, Int(median(lengths.map { Double($0) })), lengths.max() ?? 0],
            neighbours: neighbours, results: tallies.compactMap { $0.result(exact: tallies[0], kinds: kinds) })
    }

    // MARK: One question

    private func ask(
        _ question: QualityQuestion, _ number: Int, on cache: ContextCache, _ tallies: inout [QualityTally]
    ) async throws {
        let options = AnswerOptions(assembly: .exact, maximumTokens: maximumTokens, keepsMisses: false)
        let exact = try await cache.answer(question.prompt, options: options)
        let reference = Reference(
            answer: exact,
            along: try await cache.logits(of: question.prompt, along: exact.tokens, assembly: .exact).logits,
            isRight: isRight(exact.text, among: question.answers), vocabulary: cache.model.vocabulary)
        tallies[0].outcomes.append(
            QualityOutcome(right: reference.isRight, same: true, divergence: 0, agreement: 1, report: exact.report))
        for index in tallies.indices.dropFirst() {
            let assembly = tallies[index].assembly
            let outcome = try await outcome(of: question, under: assembly, against: reference, on: cache)
            tallies[index].outcomes.append(outcome)
            let share = outcome.report.effectiveRecompute
            guard controls, case .stitched(let selector, _, let use) = assembly, selector.isControllable, share > 0
            else {
                continue
            }
            let random = Assembly.stitched(.random(seed: UInt64(number)), ratio: min(1, share), variants: use)
            tallies[index].random.append(
                try await self.outcome(of: question, under: random, against: reference, on: cache))
        }
    }

    private struct Reference {
        var answer: Answer
        var along: [Float]
        var isRight: Bool
        var vocabulary: Int
    }

    private func outcome(
        of question: QualityQuestion, under assembly: Assembly, against reference: Reference, on cache: ContextCache
    ) async throws -> QualityOutcome {
        let path = reference.answer.tokens
        let (logits, report) = try await cache.logits(of: question.prompt, along: path, assembly: assembly)
        let width = reference.vocabulary
        let rows = stride(from: 0, to: logits.count, by: width).map { $0..<$0 + width }
        let same = rows.map { highest(logits[$0]) == highest(reference.along[$0]) }
        var (right, isSame) = (reference.isRight, true)
        if !same.allSatisfy({ $0 }) || assembly.repairsWhileDecoding {
            let options = AnswerOptions(
                assembly: assembly, ungated: true, maximumTokens: maximumTokens, keepsMisses: false)
            let answer = try await cache.answer(question.prompt, options: options)
            right = isRight(answer.text, among: question.answers)
            isSame = answer.tokens == path
        }
        return QualityOutcome(
            right: right, same: isSame,
            divergence: meanDivergence(from: reference.along, to: logits, vocabulary: width),
            agreement: Double(same.count { $0 }) / Double(max(1, same.count)), report: report)
    }

    /// Times every assembly with the question's chunks in the store, alone and behind others.
    private func time(
        _ question: QualityQuestion, behind others: [[[[TokenID]]]], on cache: ContextCache,
        _ tallies: inout [QualityTally]
    ) async throws {
        try await cache.ingest(contextsOf: question.prompt)
        for (context, runs) in zip(question.contexts, others) {
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

    /// For each context of a question, runs of contexts of other questions, the same ones in every run of the bench.
    private func others(
        than number: Int, in questions: [QualityQuestion], _ cache: ContextCache
    ) -> [[[[TokenID]]]] {
        guard neighbours > 0, questions.count > 1 else { return [] }
        var generator = SplitMix64(seed: UInt64(number) &* 0x9E37_79B9 &+ 17)
        return questions[number].contexts.map { context in
            (0..<passes).map { _ in
                (0..<neighbours).map { _ in
                    let step = Int.random(in: 1..<questions.count, using: &generator)
                    let other = questions[(number + step) % questions.count].contexts.filter { $0 != context }
                    guard let text = other.randomElement(using: &generator) else { return [] }
                    return cache.tokenizer.encode(text, special: false)
                }
            }
        }
    }
}

extension Assembly {
    /// Whether its answer may differ from what a forced answer tells.
    fileprivate var repairsWhileDecoding: Bool {
        if case .stitched(.deviationAttention(_, let repairs), _, _) = self { repairs > 0 } else { false }
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

/// The place of the highest number.
private func highest(_ numbers: ArraySlice<Float>) -> Int {
    var best = numbers.startIndex
    for index in numbers.indices where numbers[index] > numbers[best] { best = index }
    return best - numbers.startIndex
}
