// SPDX-License-Identifier: Apache-2.0

/// What compression does to a model's answers.
public struct CompressionReport: Sendable, Codable {
    /// The figures of one method at one budget, or of one codec.
    public struct Result: Sendable, Codable {
        /// The suite that was asked.
        public var suite: String
        /// The method.
        public var method: String
        /// The share or number of tokens that was to stay; nil for codecs.
        public var budget: String?
        /// The codec; nil for presses.
        public var codec: String?
        /// Whether the question was known when tokens were chosen.
        public var questionKnown: Bool
        /// The share of right answers of each kind.
        public var exactMatch: [String: Double]
        /// The share of right answers of all kinds.
        public var stepAccuracy: Double
        /// The points behind the whole KV, over all kinds.
        public var loss: PairedBootstrap
        /// KL(whole ‖ method) of the next token along the whole KV's answer, in nats: mean over questions.
        public var klMean: Double
        /// Its 95th percentile.
        public var klP95: Double
        /// Bytes of keys and values of a token of the prompt, in fp16 or in the codec.
        public var bytesPerToken: Double
        /// These bytes ÷ those of the whole prompt in fp16.
        public var ratioToFP16: Double
        /// The share of attention's multiplications that decoding saves.
        public var attentionSaved: Double
        /// Tokens of an answer in a second ÷ those over the whole KV, the median over the prompts that were timed; nil for
        /// codecs, which are undone before.
        public var decodeSpeed: Double?
    }

    /// How far one method is ahead of another on the same questions.
    public struct Comparison: Sendable, Codable {
        /// The suite that was asked.
        public var suite: String
        /// Whether the question was known.
        public var questionKnown: Bool
        /// What both kept.
        public var budget: String
        /// The one.
        public var method: String
        /// The other.
        public var than: String
        /// Points that it is ahead.
        public var ahead: PairedBootstrap
    }

    /// A suite that was asked.
    public struct Suite: Sendable, Codable {
        /// Its name.
        public var name: String
        /// The model that was asked.
        public var model: String
        /// Questions of each kind.
        public var questions: [String: Int]
        /// Prompts that the questions share.
        public var prompts: Int
        /// Tokens of the shortest prompt, the one in the middle and the longest.
        public var promptTokens: [Int]
    }

    /// The suites.
    public var suites: [Suite] = []
    /// The figures of all methods.
    public var results: [Result] = []
    /// Who is ahead of whom.
    public var comparisons: [Comparison] = []

    /// What codecs do to chunks of a real model's shape.
    public var codecs: [CodecBench.Result] = []
    /// Whether selective recompute picks the same tokens over them.
    public var recompute: [RecomputeAgreement.Result] = []

    /// An empty report.
    public init() {}
}
