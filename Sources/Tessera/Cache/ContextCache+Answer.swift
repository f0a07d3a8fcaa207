// SPDX-License-Identifier: Apache-2.0

internal import Logging
public import TesseraKV
internal import TesseraReuse
internal import TesseraRuntime

extension ContextCache {
    /// Answers a prompt.
    ///
    /// A chunk that the store lacks, or whose record can't be trusted, is computed within the prompt; once the answer
    /// is out, it and the prompt's leading run are kept for the next time. Where `exact` was asked for, or nothing else has
    /// passed the quality gate, chunks are of no use, and only the leading run is kept.
    ///
    /// - Parameters:
    ///   - prompt: System text, contexts and question.
    ///   - options: Assembly, sampling and limits. Without an assembly the model's quality gate and the cost model decide.
    ///   - onText: Gets each piece of the answer as soon as it is known, always whole characters.
    /// - Returns: The answer with a report of what was reused.
    /// - Throws: ``TesseraError``: `tooLong` for a prompt that exceeds the model's context, `invalidInput` for options
    ///   out of range and for an assembly that the quality gate has not passed, `cancelled` when the task is.
    public func answer(
        _ prompt: Prompt, options: AnswerOptions = .init(), onText: (@Sendable (String) -> Void)? = nil
    ) throws(TesseraError) -> Answer {
        var watch = Stopwatch()
        let (assembly, gating, reason) = try gatedAssembly(options)
        let tokens = promptTokens(prompt)
        recordTrace(of: tokens)
        var report = ReuseReport(assembly)
        report.explanation.reason = reason
        report.stages.tokenize = watch.lap()

        let room = try room(for: tokens, as: assembly, answer: options.maximumTokens)
        let (request, outcome) = try prefill(
            tokens, as: assembly, room: room, gating: gating, logits: .last, watch: &watch, report: &report)
        let repair = DecodeRepair(request, after: outcome, assembly: assembly, model: model)
        var generator = TokenGenerator(
            runtime, over: request.buffer, after: outcome.output.logits, slot: request.ids.count,
            position: request.nextPosition, sampling: options.sampling,
            limits: .init(maximum: room, stopTexts: options.stops), parallel: request.parallel, companion: repair)
        var text = ""
        var piece = try generator.next()
        report.stages.prefill = watch.lap()
        report.timeToFirstToken = watch.total
        while let new = piece {
            text += new.text
            if !new.text.isEmpty { onText?(new.text) }
            piece = try generator.next()
        }
        report.stages.decode = watch.lap()
        report.repairedTokens = repair?.repaired ?? 0
        report.effectiveRecompute += Double(report.repairedTokens) / Double(max(1, report.reusedTokens))
        guard let ending = generator.end, ending != .cancelled else {
            throw TesseraError(.cancelled, "the request was cancelled")
        }
        learn(from: request, outcome, report)
        if options.keepsMisses {
            report.capturedTokenLayers = keepMisses(of: tokens, after: request) * model.layout.layers
        }
        saveRates(after: 16)
        return Answer(text: text, tokens: generator.tokens, ending: ending, report: report)
    }

    /// The logits of a prompt, for those who sample, score or compare on their own. The quality gate does not matter
    /// here.
    ///
    /// - Parameters:
    ///   - prompt: System text, contexts and question.
    ///   - assembly: How its KV comes about.
    ///   - all: Whether every computed token's logits are wanted, or only the last one's. Under `exact` these are all
    ///     tokens: a stored leading run, which has no rows, is left unused then.
    /// - Returns: Logits of shape (slot, vocabulary), the slots they belong to, and the report.
    /// - Throws: ``TesseraError`` as ``answer(_:options:onText:)``.
    public func logits(
        of prompt: Prompt, assembly: Assembly = .default, all: Bool = false
    ) throws(TesseraError) -> (logits: [Float], slots: [Int], report: ReuseReport) {
        var watch = Stopwatch()
        let tokens = promptTokens(prompt)
        _ = try room(for: tokens, as: assembly, answer: 0)
        var report = ReuseReport(assembly)
        report.stages.tokenize = watch.lap()
        let (request, outcome) = try prefill(
            tokens, as: assembly, room: 0, reusesPrefix: !(all && assembly == .exact), logits: all ? .all : .last,
            watch: &watch, report: &report)
        report.stages.prefill = watch.lap()
        report.timeToFirstToken = watch.total
        learn(from: request, outcome, report)
        return (outcome.output.logits, all ? outcome.output.slots : [request.ids.count - 1], report)
    }

    /// The logits of token ids exactly as they are: a full prefill with nothing added and nothing reused.
    ///
    /// - Parameters:
    ///   - ids: The prompt, at least one token.
    ///   - all: Whether every position's logits are wanted, or only the last one's.
    /// - Returns: Logits of shape (position, vocabulary), the positions, and the report.
    /// - Throws: ``TesseraError`` for ids beyond the vocabulary and prompts beyond the context.
    public func logits(
        ofTokens ids: [TokenID], all: Bool = false
    ) throws(TesseraError) -> (logits: [Float], slots: [Int], report: ReuseReport) {
        var watch = Stopwatch()
        _ = try room(for: ids.count, answer: 0)
        var report = ReuseReport(.exact)
        report.promptTokens = ids.count
        let output = try runtime.prefill(
            PartialPrefill(
                input: .tokens(ids), slots: Array(ids.indices), keyCount: ids.count, logits: all ? .all : .last),
            over: try KVBuffer(layout: model.layout, capacity: ids.count), observer: nil)
        report.stages.prefill = watch.lap()
        report.timeToFirstToken = watch.total
        return (output.logits, all ? output.slots : [ids.count - 1], report)
    }

    /// Assembles a prompt and runs it. A record that turns out damaged when a layer of it is wanted is a miss after all:
    /// everything is begun again without it, before anybody has seen any of it.
    private func prefill(
        _ tokens: PromptTokens, as assembly: Assembly, room: Int, reusesPrefix: Bool = true,
        gating: Gating = .ungated, logits: PartialPrefill.Logits, watch: inout Stopwatch, report: inout ReuseReport
    ) throws(TesseraError) -> (AssembledRequest, AssembledRequest.Outcome) {
        defer { distrusted = [] }
        while true {
            var attempt = report
            let request = try assemble(
                tokens, as: assembly, room: room, reusesPrefix: reusesPrefix, gating: gating, report: &attempt)
            _ = watch.lap()
            do throws(TesseraError) {
                let outcome = try request.prefill(runtime, logits: logits, report: &attempt)
                report = attempt
                return (request, outcome)
            } catch {
                let lost = request.streamer.lost.subtracting(distrusted)
                guard !lost.isEmpty else { throw error }
                log.warning("a chunk turned out damaged and is computed instead: \(error.message)")
                distrusted.formUnion(lost)
                knownVariants.removeAll()
            }
        }
    }

    /// How many of `answer` tokens fit behind a prompt. Contexts that share their positions take no more room than the
    /// longest of them.
    func room(for tokens: PromptTokens, as assembly: Assembly, answer: Int) throws(TesseraError) -> Int {
        guard case .parallel = assembly else { return try room(for: tokens.ids.count, answer: answer) }
        let layout = ParallelLayout(tokens, behind: fingerprint.recipe)
        return try room(for: Int(layout.nextPosition), answer: answer)
    }

    private func room(for count: Int, answer: Int) throws(TesseraError) -> Int {
        guard count > 0 else { throw TesseraError(.invalidInput, "the prompt has no tokens") }
        let room = model.contextLength - count
        guard room >= min(answer, 1) else {
            throw TesseraError(
                .tooLong,
                "the prompt has \(count) tokens and the model's context \(model.contextLength); use fewer or smaller "
                    + "contexts")
        }
        return min(answer, room)
    }

    /// Learns what this request's work took.
    private func learn(
        from request: AssembledRequest, _ outcome: AssembledRequest.Outcome, _ report: ReuseReport
    ) {
        let work = PrefillWork(rows: outcome.output.computedRows, keys: request.ids.count)
        // A look of the question, and chunks encoded for this prompt alone, are not among the rows; what a bench holds in
        // memory takes no loading.
        if case .question = request.plan.selection.choice { return }
        guard request.encoded.isEmpty, heldChunks.isEmpty else { return }
        learn { rates in
            rates.learn(work, seconds: outcome.seconds - outcome.stall)
            guard request.streamer.work.records > 0 else { return }
            rates.learn(request.streamer.work, seconds: report.stages.load)
            rates.learn(placing: request.streamer.work, seconds: request.streamer.seconds)
        }
    }
}
