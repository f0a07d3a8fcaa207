// SPDX-License-Identifier: Apache-2.0

public import TesseraCompression
public import TesseraRuntime

/// How an answer is computed and written.
public struct AnswerOptions: Sendable {
    /// How the prompt's KV comes about; nil for what the model's quality gate has passed, by the fastest way, and for
    /// `exact` where no gate was passed.
    public var assembly: Assembly?
    /// The kind of question, for a gate that was passed for some kinds only.
    public var kind: String?
    /// Whether `assembly` may be used though the model's quality gate has not passed it.
    public var ungated: Bool
    /// Shrinks the prompt's keys and values before the answer is written; nil to keep them whole. A prompt of fewer tokens
    /// than the press would keep stays whole.
    public var press: PressPlan?
    /// How tokens are drawn.
    public var sampling: SamplingOptions
    /// The most tokens that an answer has.
    public var maximumTokens: Int
    /// Texts that end an answer, themselves left out of it.
    public var stops: [String]
    /// Whether chunks and system prompts that were missing are kept once the answer is out.
    public var keepsMisses: Bool

    /// Makes options; each has a default.
    public init(
        assembly: Assembly? = nil, kind: String? = nil, ungated: Bool = false, press: PressPlan? = nil,
        sampling: SamplingOptions = .greedy,
        maximumTokens: Int = 256, stops: [String] = [], keepsMisses: Bool = true
    ) {
        self.assembly = assembly
        self.kind = kind
        self.ungated = ungated
        self.press = press
        self.sampling = sampling
        self.maximumTokens = maximumTokens
        self.stops = stops
        self.keepsMisses = keepsMisses
    }
}
