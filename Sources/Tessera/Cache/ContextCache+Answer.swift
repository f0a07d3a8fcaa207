// SPDX-License-Identifier: Apache-2.0

public import TesseraKV
internal import TesseraRuntime

extension ContextCache {
    /// Answers a prompt.
    ///
    /// A chunk that the store lacks, or whose record can't be trusted, is computed within the prompt; once the answer
    /// is out, it and the prompt's leading run are kept for the next time.
    ///
    /// - Parameters:
    ///   - prompt: System text, contexts and question.
    ///   - options: Assembly, sampling and limits.
    ///   - onText: Gets each piece of the answer as soon as it is known, always whole characters.
    /// - Returns: The answer with a report of what was reused.
    /// - Throws: ``TesseraError``: `tooLong` for a prompt that exceeds the model's context, `invalidInput` for options
    ///   out of range, `cancelled` when the task is.
    public func answer(
        _ prompt: Prompt, options: AnswerOptions = .init(), onText: (@Sendable (String) -> Void)? = nil
    ) throws(TesseraError) -> Answer {
        var watch = Stopwatch()
        let (tokens, room) = try tokens(of: prompt, answer: options.maximumTokens)
        var report = ReuseReport(options.assembly)
        report.stages.tokenize = watch.lap()

        let request = try assemble(tokens, as: options.assembly, capacity: tokens.ids.count + room, report: &report)
        let output = try request.prefill(runtime, logits: .last, report: &report)
        var generator = TokenGenerator(
            runtime, over: request.buffer, after: output.logits, slot: tokens.ids.count,
            position: Int32(tokens.ids.count), sampling: options.sampling,
            limits: .init(maximum: room, stopTexts: options.stops))
        var text = ""
        var piece = try generator.next()
        report.stages.prefill = watch.lap() - report.stages.load
        report.timeToFirstToken = watch.total
        while let new = piece {
            text += new.text
            if !new.text.isEmpty { onText?(new.text) }
            piece = try generator.next()
        }
        report.stages.decode = watch.lap()
        guard let ending = generator.end, ending != .cancelled else {
            throw TesseraError(.cancelled, "the request was cancelled")
        }
        if options.keepsMisses { keepMisses(of: tokens, after: request) }
        return Answer(text: text, tokens: generator.tokens, ending: ending, report: report)
    }

    /// The logits of a prompt, for those who sample, score or compare on their own.
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
        let (tokens, _) = try tokens(of: prompt, answer: 0)
        var report = ReuseReport(assembly)
        report.stages.tokenize = watch.lap()
        let request = try assemble(
            tokens, as: assembly, capacity: tokens.ids.count, reusesPrefix: !(all && assembly == .exact),
            report: &report)
        let output = try request.prefill(runtime, logits: all ? .all : .last, report: &report)
        report.stages.prefill = watch.lap() - report.stages.load
        report.timeToFirstToken = watch.total
        return (output.logits, all ? output.slots : [tokens.ids.count - 1], report)
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

    /// The ids of a prompt and how many tokens are left for the answer.
    private func tokens(of prompt: Prompt, answer: Int) throws(TesseraError) -> (PromptTokens, room: Int) {
        let tokens = promptTokens(prompt)
        return (tokens, try room(for: tokens.ids.count, answer: answer))
    }

    /// How many of `answer` tokens fit behind a prompt.
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
}
