// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Synchronization
internal import TesseraCompression
public import TesseraKV
internal import TesseraReuse
package import TesseraRuntime
internal import TesseraStore

extension ContextCache {
    /// Answers a prompt.
    ///
    /// A chunk that the store lacks, or whose record can't be trusted, is computed within the prompt; once the answer
    /// is out, it and the prompt's leading run are kept for the next time. Where `exact` was asked for, or nothing else has
    /// passed the quality gate, chunks are of no use, and only the leading run is kept.
    ///
    /// Several answers may be asked for at once: their prompts are computed one after the other, those of which more is
    /// stored first (``SchedulingOptions``), and the answers are written together.
    ///
    /// - Parameters:
    ///   - prompt: System text, contexts and question.
    ///   - options: Assembly, sampling and limits. Without an assembly the model's quality gate and the cost model decide.
    ///   - onText: Gets each piece of the answer as soon as it is known, always whole characters. It is called on the thread
    ///     that writes all answers, and has to be quick.
    /// - Returns: The answer with a report of what was reused.
    /// - Throws: ``TesseraError``: `tooLong` for a prompt that exceeds the model's context, `invalidInput` for options
    ///   out of range and for an assembly that the quality gate has not passed, `busy` where too many requests wait,
    ///   `cancelled` when the task is.
    public func answer(
        _ prompt: Prompt, options: AnswerOptions = .init(), onText: (@Sendable (String) -> Void)? = nil
    ) async throws(TesseraError) -> Answer {
        var watch = Stopwatch()
        let tokens = try promptTokens(prompt)
        let tokenizing = watch.lap()
        let response = try await respond(to: tokens, options: options) { piece in
            if !piece.text.isEmpty { onText?(piece.text) }
        }
        var answer = response.answer
        answer.report.add(tokenizing: tokenizing)
        answer.report.capturedTokenLayers = await keep(response)
        return answer
    }

    /// Answers a prompt, and leaves it to the caller to have kept what was missing once the answer is out
    /// (``keep(_:)``).
    ///
    /// - Parameters:
    ///   - tokens: The prompt.
    ///   - onPiece: Gets each token with the text that it completes, on the thread that writes all answers.
    func respond(
        to tokens: PromptTokens, options: AnswerOptions, onPiece: @escaping @Sendable (TokenGenerator.Piece) -> Void
    ) async throws(TesseraError) -> Response {
        try await finish(begin(tokens, options: options), onPiece: onPiece)
    }

    /// Answers a prompt up to the first token.
    ///
    /// - Returns: The answer so far, to be written to its end with ``finish(_:onPiece:)``.
    /// - Throws: ``TesseraError`` as ``answer(_:options:onText:)``.
    package nonisolated func begin(
        _ tokens: PromptTokens, options: AnswerOptions
    ) async throws(TesseraError) -> StartedAnswer {
        // The cache does one thing at a time: waiting for it is waiting in line.
        try await begin(tokens, options, since: Stopwatch())
    }

    private func begin(
        _ tokens: PromptTokens, _ options: AnswerOptions, since start: Stopwatch
    ) async throws(TesseraError) -> StartedAnswer {
        var watch = start
        let waited = watch.lap()
        let (assembly, gating, reason) = try gatedAssembly(options, framed: !tokens.frames.isEmpty)
        if let press = options.press { try check(press, with: assembly, frames: !tokens.frames.isEmpty) }
        let press = options.press
        recordTrace(of: tokens)
        var report = ReuseReport(assembly)
        report.explanation.reason = reason
        let room = try room(for: tokens, as: assembly, answer: options.maximumTokens)
        let errand = try errand(of: tokens, room: room, press)
        report.stages.plan = watch.lap()

        let turn = try await scheduler.admit(errand)
        defer { turn.finishComputing() }
        report.stages.queue = waited + watch.lap()
        var (request, outcome) = try await prefill(
            tokens, as: assembly, room: room, gating: gating, logits: .last, press: press, turn: turn, watch: &watch,
            report: &report)
        // Variants are captured from the whole prompt.
        if outcome.pressed != nil, contextualVariants == 0 { try request.release(rotary: model.rotary) }
        turn.finishComputing()
        let repair = DecodeRepair(request, after: outcome, assembly: assembly, model: model)
        var generator = TokenGenerator(
            runtime, over: outcome.pressed?.buffer ?? request.buffer, after: outcome.output.logits,
            slot: request.ids.count,
            position: request.nextPosition, sampling: options.sampling,
            limits: .init(maximum: room, stopTexts: options.stops), parallel: request.parallel, companion: repair)
        let first = try generator.next()
        report.stages.prefill += watch.lap()
        report.timeToFirstToken = watch.total
        return StartedAnswer(
            first: first, report: report, draft: AnswerDraft(generator, repair), prompt: tokens, request: request,
            outcome: outcome, turn: turn, teaches: heldChunks.isEmpty && press == nil,
            // What the built-in engine computes is not the other runtime's.
            keepsMisses: options.keepsMisses && producer == nil)
    }

    /// Writes an answer that was begun to its end.
    ///
    /// - Parameter onPiece: Gets each token with the text that it completes, the first included; from the second on it is
    ///   called on the thread that writes all answers.
    package nonisolated func finish(
        _ started: StartedAnswer, onPiece: @escaping @Sendable (TokenGenerator.Piece) -> Void
    ) async throws(TesseraError) -> Response {
        var watch = Stopwatch()
        var report = started.report
        let text = Mutex(started.first?.text ?? "")
        if let first = started.first { onPiece(first) }
        let (written, ending) = try await scheduler.decoder.finish(started.draft) { piece in
            text.withLock { $0 += piece.text }
            onPiece(piece)
        }
        report.stages.decode = watch.lap()
        guard ending != .cancelled else { throw TesseraError(.cancelled, "the request was cancelled") }
        report.repairedTokens = started.draft.repair?.repaired ?? 0
        report.effectiveRecompute += Double(report.repairedTokens) / Double(max(1, report.reusedTokens))
        if started.teaches { learn(from: started.request, started.outcome, report) }
        return Response(
            answer: Answer(text: text.withLock { $0 }, tokens: written, ending: ending, report: report),
            prompt: started.prompt, request: started.request, turn: started.turn,
            keepsMisses: started.keepsMisses)
    }

    /// Keeps what an answered prompt had to compute, as far as that was wanted, and gives its place in the scheduler back.
    ///
    /// - Returns: The rows computed for it, summed over layers.
    @discardableResult
    package func keep(_ response: Response) async -> Int {
        defer { response.turn.end() }
        let computed = response.keepsMisses ? await keepMisses(of: response.prompt, after: response.request) : 0
        saveRates(after: 16)
        return computed * model.layout.layers
    }

    /// What a request waits in line with: a press has the whole prompt and what it keeps in memory for a moment.
    private func errand(
        of tokens: PromptTokens, room: Int, _ press: PressPlan? = nil
    ) throws(TesseraError) -> WaitingLine.Errand {
        let count = tokens.ids.count
        var slots = count + max(room, try pressRoom(press, for: tokens.ids))
        if let press, press.presses(tokens: count) { slots += try press.budget.count(of: count) + room }
        return .request(
            stored: storedShare(of: tokens), bytes: slots * 2 * model.layout.width * model.layout.layers * 4)
    }

    /// The share of a prompt's tokens whose KV is in the store.
    private func storedShare(of tokens: PromptTokens) -> Double {
        let keys = tokens.contexts.map { key(of: Array(tokens.ids[$0])) }
        let stored = zip(tokens.contexts, (try? store.contains(keys)) ?? []).reduce(0) { $0 + ($1.1 ? $1.0.count : 0) }
        return Double(stored) / Double(max(1, tokens.ids.count))
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
    ) async throws(TesseraError) -> (logits: [Float], slots: [Int], report: ReuseReport) {
        var watch = Stopwatch()
        let tokens = try promptTokens(prompt)
        _ = try room(for: tokens, as: assembly, answer: 0)
        var report = ReuseReport(assembly)
        report.stages.tokenize = watch.lap()
        let turn = try await scheduler.admit(try errand(of: tokens, room: 0))
        defer { turn.end() }
        report.stages.queue = watch.lap()
        let (request, outcome) = try await prefill(
            tokens, as: assembly, room: 0, reusesPrefix: !(all && assembly == .exact), logits: all ? .all : .last,
            turn: turn, watch: &watch, report: &report)
        report.stages.prefill += watch.lap()
        report.timeToFirstToken = watch.total
        if heldChunks.isEmpty { learn(from: request, outcome, report) }
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
        gating: Gating = .ungated, logits: PartialPrefill.Logits, press: PressPlan? = nil, turn: Turn,
        watch: inout Stopwatch, report: inout ReuseReport
    ) async throws(TesseraError) -> (AssembledRequest, AssembledRequest.Outcome) {
        let encoded = try await encodeMissing(of: tokens, as: assembly, turn: turn)
        report.stages.prefill += watch.lap()
        var distrusted: Set<ChunkKey> = []
        let pressRoom = try pressRoom(press, for: tokens.ids)
        while true {
            var attempt = report
            let request = try assemble(
                tokens, as: assembly, room: max(room, pressRoom), reusesPrefix: reusesPrefix, gating: gating,
                encoded: encoded,
                distrusting: distrusted, report: &attempt)
            _ = watch.lap()
            do throws(TesseraError) {
                let (planned, runtime) = (attempt, runtime)
                let (outcome, run) = try await turn.compute { () throws(TesseraError) in
                    var run = planned
                    let outcome = try request.prefill(
                        runtime, logits: logits, press: press, answerRoom: room, report: &run)
                    return (outcome, run)
                }
                report = run
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

    /// Encodes the contexts that are to stand side by side and are not in the store: they can't be computed within the
    /// prompt.
    private func encodeMissing(
        of tokens: PromptTokens, as assembly: Assembly, turn: Turn
    ) async throws(TesseraError) -> [EncodedChunk] {
        guard case .parallel = assembly else { return [] }
        let missing = find(tokens, behind: 0, for: .none, use: .isolated).filter { $0.candidates.isEmpty }
        var encoded: [EncodedChunk] = []
        for context in missing {
            let (ids, encoder) = (Array(tokens.ids[context.slots]), chunkEncoder)
            encoded.append(try await turn.compute { () throws(TesseraError) in try encoder.encode(ids) })
        }
        return encoded
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
    private nonisolated func learn(
        from request: AssembledRequest, _ outcome: AssembledRequest.Outcome, _ report: ReuseReport
    ) {
        let work = PrefillWork(rows: outcome.output.computedRows, keys: request.ids.count)
        // A look of the question, and chunks encoded for this prompt alone, are not among the rows.
        if case .question = request.plan.selection.choice { return }
        guard request.encoded.isEmpty else { return }
        learn { rates in
            rates.learn(work, seconds: outcome.seconds - outcome.stall - outcome.output.waited.seconds)
            guard request.streamer.work.records > 0 else { return }
            rates.learn(request.streamer.work, seconds: report.stages.load)
            rates.learn(placing: request.streamer.work, seconds: request.streamer.seconds)
        }
    }
}
