// SPDX-License-Identifier: Apache-2.0

public import Tessera
public import TesseraCompression
internal import TesseraKV
internal import TesseraRuntime

/// Finds out which heads of a model gather answers from a prompt, and what eviction costs each of its layers.
///
/// CompressKV (arXiv 2508.02401 v1), §3.2 and §3.3. The needle of a question is the sentence of its contexts that shares
/// most of its tokens with the answer. Only right answers count. First the heads are scored (``retrievalScores``), then
/// each layer's output is computed along the answer with all keys, and with the few that the best heads vote for; layers
/// below are whole in both (``evictionError(full:compressed:width:epsilon:)``).
///
/// Deviation: the paper puts one needle into long texts and measures errors on LongBench; here both are measured on the
/// questions that are given, by default the gate's, whose kinds are the sets of texts over which errors are averaged.
public struct HeadCalibration: Sendable {
    /// Tokens that stay in each layer when errors are measured.
    public var budget = 32
    /// Heads of a layer that vote.
    public var heads = 4
    /// The most tokens of an answer.
    public var maximumTokens = 64
    /// The share of the answer's tokens that have to stand in its needle.
    public var overlap = 0.5

    /// The fewest answers that anything can be said from.
    public static let leastSamples = 16

    /// A calibration with its defaults.
    public init() {}

    /// Measures a model.
    ///
    /// - Parameters:
    ///   - questions: A suite.
    ///   - cache: The model.
    ///   - progress: Told how many questions are done.
    /// - Throws: ``TesseraError`` of code `invalidInput` where fewer than ``leastSamples`` answers are right and have a
    ///   needle.
    public func run(
        _ questions: [QualityQuestion], on cache: ContextCache, progress: (Int) -> Void = { _ in }
    ) throws(TesseraError) -> HeadAssets {
        var samples: [Sample] = []
        for (number, question) in questions.enumerated() {
            if let sample = try sample(question, on: cache) { samples.append(sample) }
            progress(number + 1)
        }
        guard samples.count >= Self.leastSamples else {
            throw TesseraError(
                .invalidInput,
                "of \(questions.count) questions the model answers \(samples.count) from a sentence that can be found; "
                    + "heads are told apart from \(Self.leastSamples) on: give questions that it can answer (--qa)")
        }
        let layers = cache.model.layout.layers
        let scores = (0..<layers).map { layer in
            (0..<cache.model.queryHeads).map { head in mean(samples.map { $0.scores[layer][head] }) }
        }
        let best = scores.map { bestHeads(heads, of: $0) }
        var errors: [String: [[Double]]] = [:]
        for (number, sample) in samples.enumerated() {
            errors[sample.kind, default: []].append(try self.errors(of: sample, best, on: cache))
            progress(questions.count + number + 1)
        }
        let sets = errors.sorted { $0.key < $1.key }.map { _, all in
            (0..<layers).map { layer in all.reduce(0) { $0 + $1[layer] } }
        }
        return HeadAssets(
            weights: "\(cache.model.weights)", queryHeads: cache.model.queryHeads, scores: scores,
            errors: evictionErrors(sets), samples: samples.count)
    }

    /// A right answer with its needle, and what each head gathered from it.
    private struct Sample {
        var prompt: PromptTokens
        var answer: [TokenID]
        var kind: String
        var scores: [[Double]]
    }

    private func sample(
        _ question: QualityQuestion, on cache: ContextCache
    ) throws(TesseraError) -> Sample? {
        let (runtime, tokens) = (cache.runtime, try cache.promptTokens(question.prompt))
        let count = tokens.ids.count
        guard count + maximumTokens < runtime.model.contextLength else { return nil }
        let buffer = try KVBuffer(layout: runtime.model.layout, capacity: count + maximumTokens + 1)
        let logits = try runtime.prefill(
            PartialPrefill(input: .tokens(tokens.ids), slots: Array(0..<count), keyCount: count, logits: .last),
            over: buffer, observer: nil
        ).logits
        var generator = TokenGenerator(
            runtime, over: buffer, after: logits, slot: count, position: Int32(count), sampling: .greedy,
            limits: .init(maximum: maximumTokens))
        var text = ""
        while let piece = try generator.next() { text += piece.text }
        let answer = generator.tokens
        guard isRight(text, among: question.answers), let needle = needle(of: answer, in: tokens, runtime.tokenizer)
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
        return Sample(
            prompt: tokens, answer: answer, kind: question.kind,
            scores: watch.layers.map {
                retrievalScores($0, heads: runtime.model.queryHeads, counted: counted, span: needle)
            })
    }

    /// The sentence of the contexts that shares most tokens with an answer; nil where none shares enough.
    private func needle(
        of answer: [TokenID], in tokens: PromptTokens, _ tokenizer: any Tokenizer
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

    /// The error of each layer along a sample's answer.
    private func errors(of sample: Sample, _ heads: [[Int]], on cache: ContextCache) throws(TesseraError) -> [Double] {
        let runtime = cache.runtime
        let press = CompressKVPress(heads: heads)
        let prompt = try ComputedPrompt(
            sample.prompt, length: sample.prompt.ids.count, needs: press.needs, room: sample.answer.count + 1,
            on: runtime)
        let kept = try prompt.kept(
            by: PressPlan(press, budget: .tokens(min(budget, prompt.length))))
        let slots = Array(prompt.length..<prompt.length + sample.answer.count)
        let watch = AblationWatch(rows: slots, kept: kept.layers.map { $0[0] + slots })
        _ = try runtime.prefill(
            PartialPrefill(
                input: .tokens(sample.answer), slots: slots, keyCount: prompt.length + slots.count, logits: .none),
            over: prompt.buffer, observer: watch)
        return watch.layers.map { evictionError(full: $0.full, compressed: $0.ablated, width: runtime.model.width) }
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

/// Takes down what attention gives over a part of each layer's keys.
private final class AblationWatch: LayerObserver {
    private let rows: [Int]
    private let kept: [[Int]]
    private(set) var layers: [LayerAblation] = []

    init(rows: [Int], kept: [[Int]]) { (self.rows, self.kept) = (rows, kept) }

    func needs(of layer: Int) -> LayerNeeds {
        LayerNeeds(ablation: AblationNeeds(rows: rows, kept: kept[layer]))
    }
    func layerAblated(_ ablation: LayerAblation) { layers.append(ablation) }
}
