// SPDX-License-Identifier: Apache-2.0

public import TesseraReuse

/// Why a prompt's KV came about as it did.
public struct Explanation: Sendable, Codable, Equatable {
    /// The way that was taken.
    public var path = PromptPath.full
    /// Why this way, as a sentence.
    public var reason = ""
    /// What each way would take, from rates measured on this machine; empty before there are any.
    public var estimates: [PathEstimate] = []
    /// What was decided for each context, in prompt order.
    public var contexts: [ContextDecision] = []
    /// Layers of stored KV that are placed ahead of the computation.
    public var preloadedLayers = 1

    /// Nothing explained yet.
    public init() {}
}

/// What was decided for one context of a prompt.
public struct ContextDecision: Sendable, Codable, Equatable {
    /// Where a context's KV came from.
    public enum Source: String, Sendable, Codable {
        /// It was computed within the prompt.
        case computed
        /// It was encoded alone.
        case isolated
        /// It was captured behind other chunks.
        case contextual
        /// It belongs to a stored leading run.
        case prefix
    }

    /// Where its KV came from.
    public var source: Source
    /// Its tokens.
    public var tokens: Int
    /// Why, as a clause.
    public var reason: String
    /// Stored variants that were compared.
    public var variants = 0
    /// β: the share of its former outside attention that still finds its object.
    public var overlap: Double?
    /// γ: how much the order of the chunks before it has changed.
    public var orderPenalty: Double?
    /// CCI: how much of it depends on what stood before it.
    public var impact: Double?
    /// CFO at α = 1: the share of it to compute anew.
    public var overhead: Double?
    /// Tokens of it that are computed anew, as far as that is known before the prompt is computed.
    public var recomputed = 0

    init(_ source: Source, tokens: Int, reason: String) {
        (self.source, self.tokens, self.reason) = (source, tokens, reason)
    }
}
