// SPDX-License-Identifier: Apache-2.0

/// What was reused for an answer, what was computed, and how long it took: the `tessera` object of a response.
public struct ReuseSummary: Codable, Sendable, Equatable {
    /// Seconds spent in each stage, in the order in which they happen.
    public struct Stages: Codable, Sendable, Equatable {
        /// Finding the chunks for a question; 0 where the caller brought them.
        public var retrieve = 0.0
        /// Turning text into ids.
        public var tokenize = 0.0
        /// Waiting for the cache, and for other requests' prompts.
        public var queue = 0.0
        /// Finding records and deciding what is computed.
        public var plan = 0.0
        /// Reading and verifying records.
        public var load = 0.0
        /// Running the model over the prompt.
        public var prefill = 0.0
        /// The part of `prefill` that waited for stored KV.
        public var stall = 0.0
        /// Pressing the prompt's KV, where that was asked for.
        public var press = 0.0
        /// Everything after the first token.
        public var decode = 0.0

        /// Nothing spent yet.
        public init() {}
    }

    /// What a press did to the prompt's KV.
    public struct Pressed: Codable, Sendable, Equatable {
        /// The press's name.
        public var press: String
        /// How much was to stay.
        public var budget: String
        /// Tokens that stayed, on average over layers.
        public var keptTokens: Double
        /// The fewest tokens that stayed in a layer.
        public var fewest: Int
        /// The most tokens that stayed in a layer.
        public var most: Int
        /// Bytes of the prompt's KV in memory before.
        public var bytesBefore: Int
        /// Bytes after.
        public var bytesAfter: Int

        /// Makes a note of all its parts.
        public init(
            press: String, budget: String, keptTokens: Double, fewest: Int, most: Int, bytesBefore: Int, bytesAfter: Int
        ) {
            self.press = press
            self.budget = budget
            self.keptTokens = keptTokens
            self.fewest = fewest
            self.most = most
            self.bytesBefore = bytesBefore
            self.bytesAfter = bytesAfter
        }

        private enum CodingKeys: String, CodingKey {
            case press, budget, fewest, most
            case keptTokens = "kept_tokens"
            case bytesBefore = "bytes_before"
            case bytesAfter = "bytes_after"
        }
    }

    /// What was decided for one context of the prompt.
    public struct Context: Codable, Sendable, Equatable {
        /// `computed`, `isolated`, `contextual` or `prefix`.
        public var source: String
        /// Its tokens.
        public var tokens: Int
        /// Why, as a clause.
        public var reason: String
        /// Tokens of it that are computed anew, as far as that is known beforehand.
        public var recomputed: Int
        /// Stored variants that were compared.
        public var variants: Int
        /// Cache-Craft's β: the share of its former outside attention that still finds its object.
        public var overlap: Double?
        /// Cache-Craft's γ: how much the order of the chunks before it has changed.
        public var orderPenalty: Double?
        /// Cache-Craft's CFO at α = 1: the share of it to compute anew.
        public var overhead: Double?

        /// Makes a decision of all its parts.
        public init(
            source: String, tokens: Int, reason: String, recomputed: Int, variants: Int, overlap: Double?,
            orderPenalty: Double?, overhead: Double?
        ) {
            self.source = source
            self.tokens = tokens
            self.reason = reason
            self.recomputed = recomputed
            self.variants = variants
            self.overlap = overlap
            self.orderPenalty = orderPenalty
            self.overhead = overhead
        }

        private enum CodingKeys: String, CodingKey {
            case source, tokens, reason, recomputed, variants, overlap, overhead
            case orderPenalty = "order_penalty"
        }
    }

    /// What one way to the prompt's KV would have taken, in seconds.
    public struct Estimate: Codable, Sendable, Equatable {
        /// The way's name.
        public var path: String
        /// Reading stored KV.
        public var load: Double
        /// Computing.
        public var compute: Double

        /// Makes an estimate of all its parts.
        public init(path: String, load: Double, compute: Double) {
            self.path = path
            self.load = load
            self.compute = compute
        }
    }

    /// Why it came about so; only where it was asked for.
    public struct Explanation: Codable, Sendable, Equatable {
        /// The way that was taken.
        public var path: String
        /// Why this way.
        public var reason: String
        /// What each way would take; empty before anything was measured.
        public var estimates: [Estimate]
        /// What was decided for each context, in prompt order.
        public var contexts: [Context]

        /// Makes an explanation of all its parts.
        public init(path: String, reason: String, estimates: [Estimate], contexts: [Context]) {
            self.path = path
            self.reason = reason
            self.estimates = estimates
            self.contexts = contexts
        }
    }

    /// `exact`, `stitched` or `parallel`.
    public var assembly: String
    /// `exact` where the KV is the model's own to rounding, `composed` where it was put together of chunks, `pressed` where
    /// a press left tokens out.
    public var provenance: String
    /// The selector's name; nil for `exact`.
    public var selector: String?
    /// The share of reused tokens that it was asked to pick.
    public var ratio: Double?
    /// The layer in which it compared fresh with stored KV.
    public var checkLayer: Int?
    /// Cache-Craft's α, where it set the budget.
    public var alpha: Double?
    /// The temperature of parallel contexts.
    public var temperature: Double?
    /// The scale of parallel contexts.
    public var scale: Double?
    /// Tokens of the whole prompt.
    public var promptTokens = 0
    /// Tokens of a stored leading run, reused exactly.
    public var prefixTokens = 0
    /// Tokens of chunks whose stored KV was used.
    public var reusedTokens = 0
    /// Tokens of those that the selector picked.
    public var recomputedTokens = 0
    /// Tokens that reused chunks lack since they were written smaller; nil where they lack none.
    public var evictedTokens: Int?
    /// Token-layers computed ÷ all token-layers of the reused tokens.
    public var effectiveRecompute = 0.0
    /// Stale tokens that were computed anew while the answer was written.
    public var repairedTokens = 0
    /// Contexts whose KV was in the store.
    public var hits = 0
    /// Those of them whose KV was captured behind other chunks.
    public var contextualHits = 0
    /// Hits that lacked the scores that the selector goes by.
    public var unscoredHits = 0
    /// Contexts that the question was found to look at.
    public var focusedContexts: Int?
    /// Contexts whose KV was not in the store.
    public var misses = 0
    /// Bytes of stored KV that were read.
    public var bytesLoaded = 0
    /// Seconds from the request to the first token.
    public var timeToFirstToken = 0.0
    /// Seconds by stage.
    public var stages = Stages()
    /// What a press did; nil where none was asked for, and for a prompt that has no more tokens than were to stay.
    public var pressed: Pressed?
    /// Why it came about so.
    public var explanation: Explanation?

    /// A summary of nothing yet.
    public init(assembly: String, provenance: String) {
        self.assembly = assembly
        self.provenance = provenance
    }

    private enum CodingKeys: String, CodingKey {
        case assembly, provenance, selector, ratio, alpha, temperature, scale, hits, misses, stages, pressed,
            explanation
        case checkLayer = "check_layer"
        case promptTokens = "prompt_tokens"
        case prefixTokens = "prefix_tokens"
        case reusedTokens = "reused_tokens"
        case recomputedTokens = "recomputed_tokens"
        case evictedTokens = "evicted_tokens"
        case effectiveRecompute = "effective_recompute"
        case repairedTokens = "repaired_tokens"
        case contextualHits = "contextual_hits"
        case unscoredHits = "unscored_hits"
        case focusedContexts = "focused_contexts"
        case bytesLoaded = "bytes_loaded"
        case timeToFirstToken = "time_to_first_token"
    }
}
