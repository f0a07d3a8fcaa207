// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraKV

/// Draws tokens from logits: the most likely one, or one from the nucleus (Holtzman et al., *The Curious Case of Neural
/// Text Degeneration*, 2020, §3.1) at a temperature.
///
/// Equally likely tokens are ordered by their ids, the lowest first. Draws come from ``SplitMix64``, so that a seed
/// gives the same tokens everywhere.
public struct Sampler: Sendable {
    private let options: SamplingOptions
    private var random: SplitMix64

    /// Starts at the options' seed.
    public init(_ options: SamplingOptions) {
        self.options = options
        random = SplitMix64(seed: options.seed)
    }

    /// The next token after these logits, one for each token of the vocabulary.
    ///
    /// - Throws: ``TesseraError`` of code `corrupt` when the logits are not numbers, as those of a damaged model.
    public mutating func next(after logits: [Float]) throws(TesseraError) -> TokenID {
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        guard !logits.isEmpty, logits[best].isFinite, !logits.contains(where: \.isNaN) else {
            throw TesseraError(.corrupt, "the model's logits are not numbers; its weights may be damaged")
        }
        guard options.temperature > 0 else { return TokenID(best) }

        let top = Double(logits[best])
        let weights = logits.map { exp((Double($0) - top) / options.temperature) }
        let candidates = nucleus(of: weights)
        var rest = Double(random.next() >> 11) * 0x1p-53 * candidates.reduce(0) { $0 + weights[$1] }
        for index in candidates {
            rest -= weights[index]
            if rest < 0 { return TokenID(index) }
        }
        return TokenID(candidates.last ?? best)
    }

    /// The fewest tokens, most likely first, whose weights make up the options' share; in the order of their ids when
    /// that is everything.
    private func nucleus(of weights: [Double]) -> [Int] {
        guard options.topP < 1 else { return Array(weights.indices) }
        let total = weights.reduce(0, +)
        // Even if all others were as likely as these, they could not make up what the nucleus leaves out.
        let least = total * (1 - options.topP) / Double(weights.count)
        let sorted = weights.indices.filter { weights[$0] >= least }.sorted { (weights[$1], $0) < (weights[$0], $1) }
        var share = 0.0
        var count = 0
        while count < sorted.count, share < total * options.topP {
            share += weights[sorted[count]]
            count += 1
        }
        return Array(sorted.prefix(count))
    }
}
