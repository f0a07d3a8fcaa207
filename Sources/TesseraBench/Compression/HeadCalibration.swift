// SPDX-License-Identifier: Apache-2.0

public import Tessera
public import TesseraCompression
internal import TesseraKV

/// Finds out which heads of a model gather answers from a prompt, and what eviction costs each of its layers.
///
/// CompressKV (arXiv 2508.02401 v1), §3.2 and §3.3. The needle of a question is the sentence of its contexts that shares
/// most of its tokens with the answer; around it stand contexts of other questions, since heads that find a sentence
/// among many are not those that find it among three. Only right answers count. First the heads are scored
/// (``retrievalScores``), then one layer at a time keeps the few tokens that its best heads vote for, and the answer is
/// compared with that over whole keys and values.
///
/// Deviations: the paper puts one needle into long texts and measures errors on LongBench; here both are measured on the
/// questions that are given, by default the gate's, whose kinds are the sets of texts over which errors are averaged. The
/// paper's error of a layer is how far that layer's own output is off, which says nothing of whether anybody needed
/// it; here it is how much the answer changes. On the fixture model, whose answers all come through layer 3, the paper's
/// errors give that layer 7 % of all and this measure 99 %. Both are kept (``HeadAssets``).
public struct HeadCalibration: Sendable {
    /// What stays in the layer whose cost is measured.
    public var budget = PressBudget.share(0.05)
    /// Heads of a layer that vote.
    public var heads = 4
    /// The most tokens of an answer.
    public var maximumTokens = 64
    /// The share of the answer's tokens that have to stand in its needle.
    public var overlap = 0.5
    /// The tokens that the contexts of a prompt come to, where the model's context has room for them.
    public var promptTokens = 1024

    /// The fewest answers that anything can be said from.
    public static let leastSamples = 16

    /// A calibration with its defaults.
    public init() {}

    /// Measures a model.
    ///
    /// - Parameters:
    ///   - questions: A suite.
    ///   - cache: The model.
    ///   - progress: Told how many questions are done; each is gone through twice.
    /// - Throws: ``TesseraError`` of code `invalidInput` where fewer than ``leastSamples`` answers are right and have a
    ///   needle.
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
        let plan = PressPlan(CompressKVPress(heads: scores.map { bestHeads(heads, of: $0) }), budget: budget)
        var costs: [(kind: String, cost: EvictionCost)] = []
        for needle in needles {
            costs.append((needle.kind, try EvictionCost(of: needle, plan, on: cache.runtime)))
            progress(questions.count + costs.count)
        }
        return HeadAssets(
            weights: "\(cache.model.weights)", queryHeads: cache.model.queryHeads, scores: scores,
            errors: shares(costs.map { ($0.kind, $0.cost.answer) }),
            outputErrors: shares(costs.map { ($0.kind, $0.cost.output) }), samples: needles.count)
    }

    /// Half of a short context is left to the template and the answer.
    private func promptTokens(_ cache: ContextCache) -> Int { min(promptTokens, cache.model.contextLength / 2) }

    /// Each layer's share of the errors, each kind of question counting alike.
    private func shares(_ errors: [(kind: String, layers: [Double])]) -> [Double] {
        let kinds = Dictionary(grouping: errors, by: \.kind).sorted { $0.key < $1.key }
        return evictionErrors(
            kinds.map { _, all in all[0].layers.indices.map { layer in all.reduce(0) { $0 + $1.layers[layer] } } })
    }
}
