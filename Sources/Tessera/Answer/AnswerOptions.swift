// SPDX-License-Identifier: Apache-2.0

public import TesseraReuse
public import TesseraRuntime

/// How a prompt's KV comes about.
public enum Assembly: Sendable, Hashable {
    /// A full prefill, or a true shared prefix and a prefill of the rest: what the model itself would have computed.
    case exact
    /// Stored chunks at their own positions, the tokens that `selector` picks computed anew.
    ///
    /// `ratio` is the share of the reused tokens to pick, 0 … 1, for selectors that take one.
    case stitched(Selector, ratio: Double)

    /// CacheBlend's selection of 15 % of the tokens, the paper's default.
    public static let `default` = Assembly.stitched(.deviation, ratio: 0.15)

    /// The assembly's name in options and reports.
    public var name: String {
        switch self {
        case .exact: "exact"
        case .stitched: "stitched"
        }
    }
}

/// How an answer is computed and written.
public struct AnswerOptions: Sendable {
    /// How the prompt's KV comes about.
    public var assembly: Assembly
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
        assembly: Assembly = .default, sampling: SamplingOptions = .greedy, maximumTokens: Int = 256,
        stops: [String] = [],
        keepsMisses: Bool = true
    ) {
        self.assembly = assembly
        self.sampling = sampling
        self.maximumTokens = maximumTokens
        self.stops = stops
        self.keepsMisses = keepsMisses
    }
}
