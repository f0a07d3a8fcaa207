// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraRuntime

/// The answer to a question over a whole prompt, and what other keys and values make of it.
///
/// A method's answer is first computed along the reference: its tokens in one call. Only where another token would have
/// been drawn somewhere is the answer written token by token.
struct AnswerTrial {
    /// The answer over the whole prompt.
    let tokens: [TokenID]
    /// Whether it is right.
    let isRight: Bool

    private let runtime: any ModelRuntime
    private let answers: [String]
    private let maximum: Int
    /// Tokens between what was pressed and the answer, and the slot of the first of them.
    private let lead: [TokenID]
    private let slot: Int
    /// The highest logit's place in each row, and the rows' distributions.
    private let drawn: [Int]
    private let distributions: ReferenceDistributions

    /// What came of a method.
    struct Outcome: Sendable {
        var isRight: Bool
        var isSame: Bool
        /// KL(reference ‖ method), mean over the answer's tokens.
        var divergence: Double
    }

    /// Answers over a whole prompt.
    ///
    /// - Parameters:
    ///   - whole: The prompt's keys and values; slots behind `slot` are used.
    ///   - lead: Tokens behind those that are there; none where the last one's logits are known.
    ///   - first: The logits in front of the answer where there is no lead.
    ///   - maximum: The most tokens of an answer.
    init(
        over whole: KVBuffer, from slot: Int, lead: [TokenID], first: [Float], answers: [String], maximum: Int,
        on runtime: any ModelRuntime
    ) throws(TesseraError) {
        self.runtime = runtime
        self.answers = answers
        self.maximum = maximum
        self.lead = lead
        self.slot = slot
        let start = try Self.start(runtime, whole, slot, lead, first)
        let text = try Self.write(runtime, whole, slot + lead.count, start, maximum)
        tokens = text.tokens
        isRight = TesseraBench.isRight(text.text, among: answers)
        let rows = try Self.along(runtime, whole, slot + lead.count, start, tokens)
        drawn = TesseraBench.rows(of: rows, runtime.model.vocabulary).map { highest($0) }
        distributions = ReferenceDistributions(rows, vocabulary: runtime.model.vocabulary)
    }

    /// The slots that a trial uses behind the prompt.
    static func room(lead: Int, maximum: Int) -> Int { lead + maximum + 1 }

    /// The answer over other keys and values of the same prompt.
    func outcome(over buffer: KVBuffer, first: [Float]) throws(TesseraError) -> Outcome {
        let start = try Self.start(runtime, buffer, slot, lead, first)
        let rows = try Self.along(runtime, buffer, slot + lead.count, start, tokens)
        let divergence = distributions.meanDivergence(to: rows)
        guard zip(TesseraBench.rows(of: rows, runtime.model.vocabulary), drawn).allSatisfy({ highest($0) == $1 })
        else {
            let text = try Self.write(runtime, buffer, slot + lead.count, start, maximum)
            return Outcome(
                isRight: TesseraBench.isRight(text.text, among: answers), isSame: text.tokens == tokens,
                divergence: divergence)
        }
        return Outcome(isRight: isRight, isSame: true, divergence: divergence)
    }

    /// How long a token of an answer takes over other keys and values of the same prompt, in seconds.
    func pace(over buffer: KVBuffer, first: [Float]) throws(TesseraError) -> Double {
        let start = try Self.start(runtime, buffer, slot, lead, first)
        let clock = ContinuousClock()
        let began = clock.now
        let count = try Self.write(runtime, buffer, slot + lead.count, start, maximum).tokens.count
        return (clock.now - began) / .seconds(max(1, count))
    }

    /// The logits in front of the answer.
    private static func start(
        _ runtime: any ModelRuntime, _ buffer: KVBuffer, _ slot: Int, _ lead: [TokenID], _ first: [Float]
    ) throws(TesseraError) -> [Float] {
        guard !lead.isEmpty else { return first }
        return try runtime.prefill(
            PartialPrefill(
                input: .tokens(lead), slots: Array(slot..<slot + lead.count), keyCount: slot + lead.count,
                logits: .last), over: buffer, observer: nil
        ).logits
    }

    /// The logits in front of the answer and of each of its tokens, (answer.count + 1, vocabulary).
    private static func along(
        _ runtime: any ModelRuntime, _ buffer: KVBuffer, _ slot: Int, _ start: [Float], _ answer: [TokenID]
    ) throws(TesseraError) -> [Float] {
        guard !answer.isEmpty else { return start }
        let rows = try runtime.prefill(
            PartialPrefill(
                input: .tokens(answer), slots: Array(slot..<slot + answer.count), keyCount: slot + answer.count,
                logits: .all), over: buffer, observer: nil
        ).logits
        return start + rows
    }

    private static func write(
        _ runtime: any ModelRuntime, _ buffer: KVBuffer, _ slot: Int, _ start: [Float], _ maximum: Int
    ) throws(TesseraError) -> (text: String, tokens: [TokenID]) {
        var generator = TokenGenerator(
            runtime, over: buffer, after: start, slot: slot, position: buffer.positions[slot], sampling: .greedy,
            limits: .init(maximum: maximum))
        var text = ""
        while let piece = try generator.next() { text += piece.text }
        return (text, generator.tokens)
    }
}
