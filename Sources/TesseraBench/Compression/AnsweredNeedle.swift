// SPDX-License-Identifier: Apache-2.0

internal import Tessera
internal import TesseraCompression
internal import TesseraKV
internal import TesseraRuntime

/// A right answer, the sentence of the prompt that it was taken from, and what each head gathered from there.
struct AnsweredNeedle {
    /// The prompt.
    let prompt: PromptTokens
    /// The tokens of the answer.
    let answer: [TokenID]
    /// The kind of question.
    let kind: String
    /// The retrieval score of each query head, by layer.
    let scores: [[Double]]

    /// Asks a model.
    ///
    /// - Parameters:
    ///   - maximum: The most tokens of an answer.
    ///   - overlap: The share of the answer's tokens that have to stand in its needle.
    /// - Returns: nil for a wrong answer, and for one that no sentence holds enough of.
    init?(
        _ prompt: Prompt, of question: QualityQuestion, maximum: Int, overlap: Double, on cache: ContextCache
    ) throws(TesseraError) {
        let (runtime, tokens) = (cache.runtime, try cache.promptTokens(prompt))
        let count = tokens.ids.count
        guard count + maximum < runtime.model.contextLength else { return nil }
        let buffer = try KVBuffer(layout: runtime.model.layout, capacity: count + maximum + 1)
        let logits = try runtime.prefill(
            PartialPrefill(input: .tokens(tokens.ids), slots: Array(0..<count), keyCount: count, logits: .last),
            over: buffer, observer: nil
        ).logits
        var generator = TokenGenerator(
            runtime, over: buffer, after: logits, slot: count, position: Int32(count), sampling: .greedy,
            limits: .init(maximum: maximum))
        var text = ""
        while let piece = try generator.next() { text += piece.text }
        let answer = generator.tokens
        guard isRight(text, among: question.answers),
            let needle = Self.needle(of: answer, in: tokens, overlap: overlap, runtime.tokenizer)
        else { return nil }
        // The row in front of a token is the one that drew it.
        let rows = Array(count - 1..<count - 1 + answer.count)
        let inside = Set(tokens.ids[needle])
        let watch = AttentionWatch(rows: rows)
        _ = try runtime.prefill(
            PartialPrefill(
                input: .tokens((tokens.ids + answer).suffix(answer.count + 1).dropLast()), slots: rows,
                keyCount: count + answer.count - 1, logits: .none), over: buffer, observer: watch)
        let counted = answer.map { inside.contains($0) }
        self.prompt = tokens
        self.answer = answer
        kind = question.kind
        scores = watch.layers.map {
            retrievalScores($0, heads: runtime.model.queryHeads, counted: counted, span: needle)
        }
    }

    /// The sentence of the contexts that shares most tokens with an answer; nil where none shares enough.
    private static func needle(
        of answer: [TokenID], in tokens: PromptTokens, overlap: Double, _ tokenizer: any Tokenizer
    ) -> Range<Int>? {
        let wanted = Set(answer)
        var best: (range: Range<Int>, shared: Int)?
        for context in tokens.contexts {
            var start = context.lowerBound
            for slot in context {
                let text = String(decoding: tokenizer.bytes(of: tokens.ids[slot], special: false), as: UTF8.self)
                guard text.contains(where: { ".?!\n".contains($0) }) || slot == context.upperBound - 1 else { continue }
                let range = start..<slot + 1
                let shared = Set(tokens.ids[range]).intersection(wanted).count
                if shared > best?.shared ?? 0 { best = (range, shared) }
                start = slot + 1
            }
        }
        guard let best, Double(best.shared) >= overlap * Double(wanted.count) else { return nil }
        return best.range
    }
}

/// Takes down the attention of some rows in every layer.
private final class AttentionWatch: LayerObserver {
    private let rows: [Int]
    private(set) var layers: [[Float]] = []

    init(rows: [Int]) { self.rows = rows }

    func needs(of layer: Int) -> LayerNeeds { LayerNeeds(attentionOf: rows) }
    func layerAttended(_ attention: LayerAttention) { layers.append(attention.probabilities) }
}
