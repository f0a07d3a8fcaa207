// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Tessera
internal import TesseraReuse

/// What ``QualityBench`` found.
public struct QualityReport: Sendable, Codable {
    /// One assembly's figures.
    public struct Result: Sendable, Codable {
        /// The assembly's name.
        public var assembly: String
        /// The selector's name; nil for others than `stitched`.
        public var selector: String?
        /// The share of reused tokens that was asked for; nil where the selector takes none.
        public var ratio: Double?
        /// The layer in which the selector compared; nil where it compares nothing.
        public var checkLayer: Int?
        /// Everything that tells it from others of its name, for people.
        public var label: String
        /// The assembly itself.
        public var method: Assembly
        /// Token-layers computed ÷ all token-layers of reused tokens, mean over questions.
        public var effectiveRecompute: Double
        /// Right answers, letter for letter, as a share of each kind.
        public var exactMatch: [String: Double]
        /// The share of each kind that was answered as `exact` answered it, right or wrong.
        public var sameAnswer: [String: Double]
        /// Points lost against `exact` for each kind, the same questions asked.
        public var loss: [String: PairedLoss]
        /// KL(exact ‖ this) of the next token, mean over the tokens of `exact`'s answer, then over questions, in nats.
        public var klMean: Double
        /// The same, below which 95 % of the questions lie.
        public var klP95: Double
        /// The share of the tokens of `exact`'s answer that this one finds likeliest too.
        public var top1Agreement: Double
        /// Median seconds to the first token with a warm store; nil where it was not timed.
        public var ttft: Double?
        /// `exact`'s ``ttft`` over this one's.
        public var speedup: Double?
        /// Chunks that lacked the scores that the selector goes by, as a share of all reused ones.
        public var unscored: Double
        /// ``Selector/random(seed:)`` at the same effective recompute, question by question; nil where that is nothing.
        public var random: Control?
    }

    /// Random selection at the same effective recompute.
    public struct Control: Sendable, Codable {
        /// Right answers as a share of each kind.
        public var exactMatch: [String: Double]
        /// Points by which random selection loses against the selector for each kind.
        public var loss: [String: PairedLoss]
        /// KL(exact ‖ random), mean.
        public var klMean: Double
        /// The kinds, and `KL`, in which the selector is not better.
        public var unbeaten: [String]
    }

    /// The model's name.
    public var model: String
    /// Kinds of question, in the suite's order.
    public var kinds: [String]
    /// Questions by kind.
    public var questions: [String: Int]
    /// Tokens of the prompts: the shortest, the middle one, the longest.
    public var promptTokens: [Int]
    /// Chunks that each context was encoded behind for `storedScore`.
    public var neighbours: Int
    /// One entry per assembly, `exact` first.
    public var results: [Result]

    /// What the figures do not say by themselves.
    public var remarks: [String] {
        var remarks: [String] = []
        for result in results where result.unscored > 0 {
            let share = 100 * result.unscored
            remarks.append(
                "\(result.label): \(String(format: "%.1f", share)) % of the chunks had no scores and were repaired by "
                    + "deviation at layer \(Selector.firstCheckLayer).")
        }
        for result in results {
            guard case .stitched(.deviationAttention(_, let repairs), _, _) = result.method, repairs > 0 else {
                continue
            }
            remarks.append(
                "\(result.label): KL and agreement are those before any repair, which comes with the answer.")
        }
        return remarks
    }
}
