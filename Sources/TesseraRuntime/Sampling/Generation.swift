// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// An answer between two steps: draws a token from logits, and says what is to be computed for the next ones. It computes
/// nothing itself, so that many answers can be computed together.
///
/// ```swift
/// while let piece = try generation.next(after: logits) {
///     print(piece.text, terminator: "")
///     if let token = generation.pending { logits = … }
/// }
/// ```
public struct Generation: Sendable {
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

    private let maximum: Int
    private let stopTokens: Set<TokenID>
    private var sampler: Sampler
    private var text: GeneratedText
    private var isFlushed = false

    /// Begins an answer.
    ///
    /// - Parameters:
    ///   - tokenizer: The model's tokenizer.
    ///   - sampling: How tokens are drawn.
    ///   - limits: When the answer ends.
    ///   - room: The most tokens that there is room for.
    public init(_ tokenizer: any Tokenizer, sampling: SamplingOptions, limits: Limits, room: Int = .max) {
        sampler = Sampler(sampling)
        stopTokens = limits.stopTokens ?? tokenizer.endings
        text = GeneratedText(tokenizer, stops: limits.stopTexts)
        maximum = min(limits.maximum, room)
        endWhereFull()
    }

    /// The token whose logits the next step is drawn from; nil for the first step, and once nothing is left to compute.
    public var pending: TokenID? { end == nil ? tokens.last : nil }

    /// The next piece, drawn from these logits; nil when the answer has ended, and from then on.
    ///
    /// - Parameter logits: Those behind ``pending``, or behind the prompt for the first step; of no account once the answer
    ///   has ended.
    /// - Throws: ``TesseraError`` of code `corrupt` when the logits are not numbers.
    public mutating func next(after logits: [Float]) throws(TesseraError) -> Piece? {
        if end == nil, let piece = try draw(logits) { return piece }
        guard !isFlushed else { return nil }
        isFlushed = true
        let rest = text.rest()
        return rest.isEmpty ? nil : Piece(token: nil, text: rest)
    }

    /// Ends the answer where it is.
    public mutating func cancel() {
        end = end ?? .cancelled
    }

    private mutating func draw(_ logits: [Float]) throws(TesseraError) -> Piece? {
        let token = try sampler.next(after: logits)
        guard !stopTokens.contains(token) else {
            end = .stopToken
            return nil
        }
        tokens.append(token)
        let certain = text.add(token)
        if text.isStopped { end = .stopText }
        endWhereFull()
        return Piece(token: token, text: certain)
    }

    /// Behind the last token nothing is computed any more.
    private mutating func endWhereFull() {
        if end == nil, tokens.count >= maximum { end = .length }
    }
}
