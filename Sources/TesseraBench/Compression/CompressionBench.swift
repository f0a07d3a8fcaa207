// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Tessera
internal import TesseraCompression
internal import TesseraKV

/// Asks questions over compressed keys and values and compares the answers with those over whole ones.
///
/// With the question known a press sees the prompt to its end, as the papers measure; with the question withheld it sees
/// what stands in front of the question, as a store does, and all questions about a prompt share what it keeps. Both are
/// exact prefills otherwise.
public struct CompressionBench: Sendable {
    /// The name of the suite in reports.
    public var suite: String
    /// What is compared.
    public var methods: [CompressionMethod]
    /// Whether the question is known when tokens are chosen.
    public var questionKnown: Bool
    /// The most tokens of an answer.
    public var maximumTokens = 48
    /// The first so many prompts of which decoding is timed.
    public var timedPrompts = 8

    /// A bench of some methods.
    public init(suite: String, _ methods: [CompressionMethod], questionKnown: Bool) {
        self.suite = suite
        self.methods = methods
        self.questionKnown = questionKnown
    }

    /// What came of a question.
    struct Asked: Sendable {
        var kind: String
        var prompt: Int
        var tokens: Int
        var isRight: Bool
        /// By method.
        var outcomes: [Outcome]
    }

    /// What came of a question under a method.
    struct Outcome: Sendable {
        var answer: AnswerTrial.Outcome
        /// Bytes of a token of the prompt.
        var bytes: Double
        /// The share of tokens that stayed.
        var share: Double
        /// Tokens of the answer in a second ÷ those over the whole KV; nil where that was not timed.
        var speed: Double?
    }

    /// Asks all questions.
    ///
    /// - Parameters:
    ///   - suite: The questions.
    ///   - caches: Caches of one model, each of which takes a prompt at a time.
    ///   - progress: Told how many prompts are done.
    /// - Throws: ``TesseraError`` of code `tooLong` for a prompt that the model's context has no room for, and what the
    ///   methods throw.
    public func run(
        _ suite: CompressionSuite, on caches: [ContextCache], into report: inout CompressionReport,
        progress: (Int) -> Void = { _ in }
    ) async throws {
        guard let cache = caches.first, !suite.items.isEmpty else {
            throw TesseraError(.invalidInput, "the suite \(self.suite) has no questions")
        }
        let asked = try await ask(suite, on: caches, progress: progress)
        let lengths = asked.map(\.tokens).sorted()
        if !report.suites.contains(where: { $0.name == self.suite }) {
            report.suites.append(
                CompressionReport.Suite(
                    name: self.suite, model: cache.model.name,
                    questions: Dictionary(grouping: asked, by: \.kind).mapValues(\.count), prompts: suite.items.count,
                    promptTokens: [lengths[0], lengths[lengths.count / 2], lengths[lengths.count - 1]]))
        }
        let tally = CompressionTally(self, asked, fp16: 4 * cache.model.layout.width * cache.model.layout.layers)
        report.results += tally.results
        report.comparisons += tally.comparisons
    }

    private func ask(
        _ suite: CompressionSuite, on caches: [ContextCache], progress: (Int) -> Void
    ) async throws -> [Asked] {
        try await withThrowingTaskGroup(of: (cache: Int, number: Int, asked: [Asked]).self) { group in
            var all: [Int: [Asked]] = [:]
            var next = 0
            func goOn(_ cache: Int) {
                guard next < suite.items.count else { return }
                let (number, item, cacheToAsk) = (next, suite.items[next], caches[cache])
                group.addTask { (cache, number, try ask(item, number, on: cacheToAsk)) }
                next += 1
            }
            for cache in caches.indices { goOn(cache) }
            while let done = try await group.next() {
                all[done.number] = done.asked
                progress(all.count)
                goOn(done.cache)
            }
            return suite.items.indices.flatMap { all[$0] ?? [] }
        }
    }

    // MARK: One prompt

    private func ask(_ item: CompressionSuite.Item, _ number: Int, on cache: ContextCache) throws -> [Asked] {
        questionKnown ? try askKnown(item, number, on: cache) : try askWithheld(item, number, on: cache)
    }

    private func askKnown(_ item: CompressionSuite.Item, _ number: Int, on cache: ContextCache) throws -> [Asked] {
        try item.questions.map { question in
            let tokens = try tokens(item, question, on: cache)
            let count = tokens.ids.count
            let prompt = try ComputedPrompt(
                tokens, length: count, needs: needs, room: AnswerTrial.room(lead: 0, maximum: maximumTokens),
                on: cache.runtime)
            let trial = try AnswerTrial(
                over: prompt.buffer, from: count, lead: [], first: prompt.logits, answers: question.answers,
                maximum: maximumTokens, on: cache.runtime)
            let trials = try timed([trial], prompt, number)
            return Asked(
                kind: question.kind, prompt: number, tokens: count, isRight: trial.isRight,
                outcomes: try methods.map { try outcome($0, prompt, lead: 0, trials)[0] })
        }
    }

    private func askWithheld(_ item: CompressionSuite.Item, _ number: Int, on cache: ContextCache) throws -> [Asked] {
        let all = try item.questions.map { try tokens(item, $0, on: cache) }
        guard let first = all.first else { return [] }
        let length = (first.contexts.map(\.upperBound) + first.frames.map(\.slots.upperBound)).max() ?? 0
        guard length > 0 else {
            throw TesseraError(.invalidInput, "prompt \(number + 1) of the suite has nothing in front of its questions")
        }
        let leads = all.map { Array($0.ids[length...]) }
        let lead = leads.map(\.count).max() ?? 0
        let prompt = try ComputedPrompt(
            first, length: length, needs: needs, room: AnswerTrial.room(lead: lead, maximum: maximumTokens),
            on: cache.runtime)
        let answers = try zip(item.questions, leads).map { question, lead in
            try AnswerTrial(
                over: prompt.buffer, from: length, lead: lead, first: [], answers: question.answers,
                maximum: maximumTokens, on: cache.runtime)
        }
        let trials = try timed(answers, prompt, number)
        let outcomes = try methods.map { try outcome($0, prompt, lead: lead, trials) }
        return item.questions.indices.map { index in
            Asked(
                kind: item.questions[index].kind, prompt: number, tokens: all[index].ids.count,
                isRight: answers[index].isRight, outcomes: outcomes.map { $0[index] })
        }
    }

    private func tokens(
        _ item: CompressionSuite.Item, _ question: CompressionSuite.Question, on cache: ContextCache
    ) throws(TesseraError) -> PromptTokens {
        var prompt = item.prompt
        prompt.question = .text(question.question)
        let tokens = try cache.promptTokens(prompt)
        guard tokens.ids.count + maximumTokens < cache.model.contextLength else {
            throw TesseraError(
                .tooLong,
                "the question \"\(question.question)\" has a prompt of \(tokens.ids.count) tokens, and the model's "
                    + "context is \(cache.model.contextLength)")
        }
        return tokens
    }

    /// What all methods want to see.
    private var needs: PressNeeds { .all(methods.map(\.needs)) }

    /// An answer, and how long a token of it takes over the whole prompt; nil where that is not timed.
    private typealias TimedTrial = (trial: AnswerTrial, pace: Double?)

    private func timed(
        _ trials: [AnswerTrial], _ prompt: ComputedPrompt, _ number: Int
    ) throws(TesseraError) -> [TimedTrial] {
        var timed: [TimedTrial] = []
        for trial in trials {
            let isTimed = number < timedPrompts
            timed.append((trial, isTimed ? try trial.pace(over: prompt.buffer, first: prompt.logits) : nil))
        }
        return timed
    }

    /// What comes of questions about a prompt under a method.
    private func outcome(
        _ method: CompressionMethod, _ prompt: ComputedPrompt, lead: Int, _ trials: [TimedTrial]
    ) throws(TesseraError) -> [Outcome] {
        let room = AnswerTrial.room(lead: lead, maximum: maximumTokens)
        let (buffer, share, bytes): (KVBuffer, Double, Double)
        switch method.work {
        case .press(let plan):
            (buffer, share) = try prompt.pressed(by: plan, room: room)
            bytes = share * Double(4 * buffer.layout.width * buffer.layout.layers)
        case .codec(let codec):
            (buffer, bytes) = try prompt.rounded(by: codec, room: room)
            share = 1
        }
        var outcomes: [Outcome] = []
        for (trial, pace) in trials {
            var outcome = Outcome(
                answer: try trial.outcome(over: buffer, first: prompt.logits), bytes: bytes, share: share)
            if let pace, share < 1 { outcome.speed = pace / (try trial.pace(over: buffer, first: prompt.logits)) }
            outcomes.append(outcome)
        }
        return outcomes
    }
}
