// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Lets a model answer token by token behind a prefill.
///
/// ```swift
/// let prefill = try runtime.prefill(call, over: buffer, observer: nil)
/// var answer = TokenGenerator(
///     runtime, over: buffer, after: prefill.logits, slot: tokens.count, position: Int32(tokens.count),
///     sampling: .greedy, limits: .init(maximum: 200))
/// while let piece = try answer.next() { print(piece.text, terminator: "") }
/// ```
///
/// Each token is computed when the next one is asked for, on the calling thread's time. Once ``next()`` has given nil
/// it gives nil for ever, and ``end`` says why.
public struct TokenGenerator {
    /// When an answer ends, beside the model's own end.
    public typealias Limits = Generation.Limits
    /// Why an answer ended.
    public typealias End = Generation.End
    /// A step of an answer.
    public typealias Piece = Generation.Piece

    /// Why the answer ended; nil while it goes on.
    public var end: End? { generation.end }
    /// The tokens so far, without a stop token.
    public var tokens: [TokenID] { generation.tokens }

    private let runtime: any ModelRuntime
    private let buffer: KVBuffer
    private let slot: Int
    private let position: Int32
    private let parallel: ParallelContexts?
    private let companion: (any DecodingCompanion)?
    private var generation: Generation
    private var logits: [Float]

    /// Prepares an answer; nothing is computed yet.
    ///
    /// - Parameters:
    ///   - runtime: Runs the model.
    ///   - buffer: The prompt's keys and values. The answer's go behind them.
    ///   - logits: Those of the prompt's last token.
    ///   - slot: The first free slot of the buffer; all slots below it are attended to.
    ///   - position: The position of the answer's first token.
    ///   - sampling: How tokens are drawn.
    ///   - limits: When the answer ends.
    ///   - parallel: Contexts of the prompt that were encoded side by side; every token attends to them as such.
    ///   - companion: Has rows of the prompt recomputed together with each token; nil for none.
    public init(
        _ runtime: any ModelRuntime, over buffer: KVBuffer, after logits: [Float], slot: Int, position: Int32,
        sampling: SamplingOptions, limits: Limits, parallel: ParallelContexts? = nil,
        companion: (any DecodingCompanion)? = nil
    ) {
        self.runtime = runtime
        self.buffer = buffer
        self.logits = logits
        self.slot = slot
        self.position = position
        self.parallel = parallel
        self.companion = companion
        // The last token needs no slot: nothing is computed behind it.
        generation = Generation(
            runtime.tokenizer, sampling: sampling, limits: limits, room: buffer.capacity - slot + 1)
    }

    /// The next piece; nil when the answer has ended.
    ///
    /// - Throws: what the runtime throws, or ``TesseraError`` of code `corrupt` when the logits are not numbers, and of
    ///   code `invalidInput` when a companion names rows that are not of the prompt.
    public mutating func next() throws(TesseraError) -> Piece? {
        if Task.isCancelled { cancel() }
        do throws(TesseraError) {
            if let step = pendingStep { logits = try decode(step) }
        } catch {
            guard error.code == .cancelled else { throw error }
            cancel()
        }
        return try next(after: logits)
    }

    /// Whether its steps take rows of the prompt along, and can't be computed together with other answers' steps.
    package var stepsAlone: Bool { companion != nil }

    /// The step whose logits the next piece is drawn from; nil for the first piece, and once nothing is left to compute.
    package var pendingStep: DecodeStep? {
        generation.pending.map { token in
            let step = generation.tokens.count - 1
            buffer.setPositions([position + Int32(step)], from: slot + step)
            return DecodeStep(token: token, slot: slot + step, buffer: buffer, parallel: parallel)
        }
    }

    /// The next piece, drawn from the logits of ``pendingStep``; for the first piece, from the prompt's.
    package mutating func next(after logits: [Float]) throws(TesseraError) -> Piece? {
        try generation.next(after: logits)
    }

    /// Ends the answer where it is.
    package mutating func cancel() {
        generation.cancel()
    }

    /// The logits of a step, computed by itself.
    private func decode(_ step: DecodeStep) throws(TesseraError) -> [Float] {
        let stale = companion?.rows(before: step.slot - slot) ?? []
        if let stranger = stale.first(where: { $0.slot >= slot }) {
            throw TesseraError(
                .invalidInput, "the slot \(stranger.slot) to recompute does not lie in the prompt's \(slot)")
        }
        let call = PartialPrefill(
            input: .tokens(stale.map(\.token) + [step.token]), slots: stale.map(\.slot) + [step.slot],
            keyCount: step.slot + 1, logits: .last, parallel: parallel)
        return try runtime.prefill(call, over: buffer, observer: companion?.observer).logits
    }
}
