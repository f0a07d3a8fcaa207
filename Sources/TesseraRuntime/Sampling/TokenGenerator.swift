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
    public struct Limits: Sendable {
        /// The largest number of tokens.
        public var maximum: Int
        /// Tokens that end the answer and are not part of it; nil for the tokenizer's ``Tokenizer/endings``.
        public var stopTokens: Set<TokenID>?
        /// Texts that end the answer and are not part of it.
        public var stopTexts: [String]

        /// Makes limits of all their parts.
        public init(maximum: Int, stopTokens: Set<TokenID>? = nil, stopTexts: [String] = []) {
            self.maximum = maximum
            self.stopTokens = stopTokens
            self.stopTexts = stopTexts
        }
    }

    /// Why an answer ended.
    public enum End: String, Sendable {
        /// A stop token came.
        case stopToken
        /// A stop text came.
        case stopText
        /// The largest number of tokens was reached, or the buffer's last slot.
        case length
        /// The calling task was cancelled.
        case cancelled
    }

    /// A step of an answer.
    public struct Piece: Sendable, Equatable {
        /// The new token; nil for the last piece, if it only brings text that was held back.
        public let token: TokenID?
        /// The text that has become certain: whole characters, in front of any stop text. Often empty.
        public let text: String
    }

    /// Why the answer ended; nil while it goes on.
    public private(set) var end: End?
    /// The tokens so far, without a stop token.
    public private(set) var tokens: [TokenID] = []

    private let runtime: any ModelRuntime
    private let buffer: KVBuffer
    private let slot: Int
    private let position: Int32
    private let parallel: ParallelContexts?
    private let companion: (any DecodingCompanion)?
    private let maximum: Int
    private let stopTokens: Set<TokenID>
    private var sampler: Sampler
    private var text: GeneratedText
    private var logits: [Float]
    private var isFlushed = false

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
        sampler = Sampler(sampling)
        stopTokens = limits.stopTokens ?? runtime.tokenizer.endings
        text = GeneratedText(runtime.tokenizer, stops: limits.stopTexts)
        // The last token needs no slot: nothing is computed behind it.
        maximum = min(limits.maximum, buffer.capacity - slot + 1)
    }

    /// The next piece; nil when the answer has ended.
    ///
    /// - Throws: what the runtime throws, or ``TesseraError`` of code `corrupt` when the logits are not numbers, and of
    ///   code `invalidInput` when a companion names rows that are not of the prompt.
    public mutating func next() throws(TesseraError) -> Piece? {
        if end == nil, let piece = try step() { return piece }
        guard !isFlushed else { return nil }
        isFlushed = true
        let rest = text.rest()
        return rest.isEmpty ? nil : Piece(token: nil, text: rest)
    }

    /// Draws a token, and computes the logits behind the one before it if need be; nil when the answer ends here.
    private mutating func step() throws(TesseraError) -> Piece? {
        guard tokens.count < maximum else { return finish(.length) }
        guard !Task.isCancelled else { return finish(.cancelled) }
        if let last = tokens.last {
            do throws(TesseraError) {
                logits = try decode(last)
            } catch  where error.code == .cancelled {
                return finish(.cancelled)
            }
        }
        let token = try sampler.next(after: logits)
        guard !stopTokens.contains(token) else { return finish(.stopToken) }
        tokens.append(token)
        let certain = text.add(token)
        if text.isStopped { end = .stopText }
        return Piece(token: token, text: certain)
    }

    private mutating func finish(_ reason: End) -> Piece? {
        end = reason
        return nil
    }

    /// The logits behind the newest token.
    private func decode(_ token: TokenID) throws(TesseraError) -> [Float] {
        let step = tokens.count - 1
        buffer.setPositions([position + Int32(step)], from: slot + step)
        let stale = companion?.rows(before: step) ?? []
        if let stranger = stale.first(where: { $0.slot >= slot }) {
            throw TesseraError(
                .invalidInput, "the slot \(stranger.slot) to recompute does not lie in the prompt's \(slot)")
        }
        let call = PartialPrefill(
            input: .tokens(stale.map(\.token) + [token]), slots: stale.map(\.slot) + [slot + step],
            keyCount: slot + step + 1, logits: .last, parallel: parallel)
        return try runtime.prefill(call, over: buffer, observer: companion?.observer).logits
    }
}
