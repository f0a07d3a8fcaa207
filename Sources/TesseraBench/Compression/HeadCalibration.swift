// SPDX-License-Identifier: Apache-2.0

public import Tessera
public import TesseraCompression
internal import TesseraKV

/// Finds out which heads of a model gather answers from a prompt, and what eviction costs each of its layers.
///
/// CompressKV (arXiv 2508.02401 v1), §3.2 and §3.3. The needle of a question is the sentence of its contexts that shares
/// most of its tokens with the answer; around it stand contexts of other questions, since heads that find a sentence
/// among many are not those that find it among three. Only right answers count. First the heads are scored
/// (``retrievalScores``), then one layer at a time keeps some of the tokens, those that its best heads vote for, and the
/// answer is compared with that over whole keys and values.
///
/// Deviations: the paper puts one needle into long texts and measures errors on LongBench; here both are measured on the
/// questions that are given, by default the gate's, each kind of which counts alike. The paper's error of a layer is how
/// far that layer's own output is off at one budget, which says nothing of whether anybody needed it; here it is how
/// much the answer changes, at several. On the fixture model, whose answers all come through layer 3, the paper's errors
/// give that layer 7 % of all; at the same budget this measure gives it 90 %. Both are kept (``HeadAssets``).
public struct HeadCalibration: Sendable {
    /// The shares of tokens that stay in the layer whose cost is measured, as far as they hold the window of every prompt.
    public var shares = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7]
    /// The share that stays in the layer whose own output is compared.
    public var publishedShare = 0.05
    /// Heads of a layer that vote.
    public var heads = 4
    /// The most tokens of an answer.
    public var maximumTokens = 64
    /// The share of the answer's tokens that have to stand in its needle.
    public var overlap = 0.5
    /// The tokens that the contexts of a prompt come to, where the model's context has room for them.
    public var promptTokens = 1024

    /// The questions that are asked where nothing else is said.
    public static let usualQuestions = 200
    /// The fewest answers that anything can be said from.
    public static let leastSamples = 16

    /// A calibration with its defaults.
    public init() {}

    /// Measures a model.
    ///
    /// - Parameters:
    ///   - questions: A suite.
    ///   - cache: The model.
    ///   - progress: Told how many questions are done, and behind them how many right answers, which are gone through again.
    /// - Throws: ``TesseraError`` of code `invalidInput` where fewer than ``leastSamples`` answers are right and have a
    ///   needle, and where a prompt is too short for a press to leave anything out of.
    public func run(
        _ questions: [QualityQuestion], on cache: ContextCache, progress: (Int) -> Void = { _ in }
    ) throws(TesseraError) -> HeadAssets {
        let haystack = Haystack(questions, tokens: promptTokens(cache), tokenizer: cache.runtime.tokenizer)
        var needles: [AnsweredNeedle] = []
        for (number, question) in questions.enumerated() {
            let needle = try AnsweredNeedle(
                haystack.prompt(of: number), of: question, maximum: maximumTokens, overlap: overlap, on: cache)
            if let needle { needles.append(needle) }
            progress(number + 1)
        }
        guard needles.count >= Self.leastSamples else {
            throw TesseraError(
                .invalidInput,
                "of \(questions.count) questions the model answers \(needles.count) from a sentence that can be found; "
                    + "heads are told apart from \(Self.leastSamples) on: give more questions (--questions), or such as it can "
                    + "answer (--qa)")
        }
        let scores = (0..<cache.model.layout.layers).map { layer in
            (0..<cache.model.queryHeads).map { head in mean(needles.map { $0.scores[layer][head] }) }
        }
        let press = CompressKVPress(
            heads: scores.map { bestHeads(heads, of: $0) }, strengths: retrievalStrengths(scores, heads: heads))
        let shares = try shares(of: needles, window: press.window)
        var costs: [String: [EvictionCost]] = [:]
        for (number, needle) in needles.enumerated() {
            costs[needle.kind, default: []].append(try cost(of: needle, press, shares, on: cache.runtime))
            progress(questions.count + number + 1)
        }
        let kinds = costs.sorted { $0.key < $1.key }.map(\.value)
        return HeadAssets(
            weights: "\(cache.model.weights)", queryHeads: cache.model.queryHeads, scores: scores,
            costs: EvictionCosts(
                shares: shares,
                layers: scores.indices.map { layer in
                    shares.indices.map { share in mean(kinds.map { mean($0.map { $0.answer[layer][share] }) }) }
                }),
            outputErrors: evictionErrors(
                kinds.map { costs in scores.indices.map { layer in mean(costs.map { $0.output[layer] }) } }),
            samples: needles.count)
    }

    /// The shares that hold the window in every prompt.
    private func shares(of needles: [AnsweredNeedle], window: Int) throws(TesseraError) -> [Double] {
        let shortest = needles.map(\.prompt.ids.count).min() ?? 0
        var held: [Double] = []
        for share in shares where try PressBudget.share(share).count(of: shortest) >= window { held.append(share) }
        guard !held.isEmpty else {
            throw TesseraError(
                .invalidInput,
                "prompts of \(shortest) tokens are too short to measure what eviction costs: give longer contexts (--qa)"
            )
        }
        return held
    }

    private func cost(
        of needle: AnsweredNeedle, _ press: CompressKVPress, _ shares: [Double], on runtime: any ModelRuntime
    ) throws(TesseraError) -> EvictionCost {
        var published = press
        published.strengths = []
        return try EvictionCost(
            of: needle, shares.map { PressPlan(press, budget: .share($0)) },
            published: PressPlan(published, budget: .share(max(publishedShare, shares[0]))), on: runtime)
    }

    /// Half of a short context is left to the template and the answer.
    private func promptTokens(_ cache: ContextCache) -> Int { min(promptTokens, cache.model.contextLength / 2) }
}
