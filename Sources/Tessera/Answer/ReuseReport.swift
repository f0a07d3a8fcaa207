// SPDX-License-Identifier: Apache-2.0

/// What happened to one prompt: where its KV came from, what was computed, and how long each stage took.
public struct ReuseReport: Sendable, Codable, Equatable {
    /// Whether the KV equals the model's own to rounding (`exact`), was put together of chunks (`composed`), or lacks tokens
    /// that a press left out (`pressed`).
    public enum Provenance: String, Sendable, Codable {
        /// A full prefill behind nothing, or behind a true prefix.
        case exact
        /// At least one token's KV was computed in another context.
        case composed
        /// A press left tokens out before the answer was written, whatever the others' KV is.
        case pressed
    }

    /// Seconds spent in each stage, in the order in which they happen.
    public struct Stages: Sendable, Codable, Equatable {
        /// Finding the chunks for a question, and choosing and ordering those that fit.
        public var retrieve = 0.0
        /// Turning text into ids.
        public var tokenize = 0.0
        /// Waiting for the cache, and for other requests' prompts.
        public var queue = 0.0
        /// Finding records, choosing among them and deciding what is computed.
        public var plan = 0.0
        /// Reading and verifying records.
        public var load = 0.0
        /// Running the model over the prompt, placement of stored KV included.
        public var prefill = 0.0
        /// The part of `prefill` that waited for stored KV to be placed.
        public var stall = 0.0
        /// The part of `prefill` in which a press scored the last layer, picked and copied; it scores the others while the
        /// prompt is computed.
        public var press = 0.0
        /// Everything after the first token.
        public var decode = 0.0
    }

    /// The assembly's name.
    public var assembly: String
    /// The selector's name; nil for `exact`.
    public var selector: String?
    /// The share of reused tokens that the selector was asked to pick; nil where it takes none.
    public var ratio: Double?
    /// The layer in which the selector compared fresh with stored KV; nil where it compares nothing.
    public var checkLayer: Int?
    /// Cache-Craft's α, where it set the budget.
    public var alpha: Double?
    /// APE's temperature; nil for other assemblies.
    public var temperature: Double?
    /// APE's scale; nil for other assemblies.
    public var scale: Double?
    /// Whether the KV is the model's own.
    public var provenance: Provenance
    /// Tokens of the whole prompt.
    public var promptTokens = 0
    /// Tokens of a stored leading run, reused exactly.
    public var prefixTokens = 0
    /// Tokens of chunks whose stored KV was used.
    public var reusedTokens = 0
    /// Tokens of those that the selector picked.
    public var recomputedTokens = 0
    /// Tokens that reused chunks lack in a cold tier, and with them the prompt.
    public var evictedTokens = 0
    /// Token-layers computed ÷ all token-layers of the reused tokens, repairs counted.
    public var effectiveRecompute = 0.0
    /// Stale tokens that were computed anew while the answer was written.
    public var repairedTokens = 0
    /// Contexts whose KV was in the store.
    public var hits = 0
    /// Those of them whose KV was captured behind other chunks.
    public var contextualHits = 0
    /// Hits that lacked the scores that the selector goes by, and were repaired by deviation.
    public var unscoredHits = 0
    /// Contexts that the question was found to look at, where the repair of the others stopped for it.
    public var focusedContexts: Int?
    /// Contexts whose KV was not, or could not be trusted.
    public var misses = 0
    /// Rows computed before the first token, summed over layers: all of the prompt's, reused or not.
    public var computedTokenLayers = 0
    /// Rows computed once the answer was out, to keep what was missing, summed over layers.
    public var capturedTokenLayers = 0
    /// Bytes of stored KV that were read.
    public var bytesLoaded = 0
    /// Seconds from the call to the first token.
    public var timeToFirstToken = 0.0
    /// Seconds by stage.
    public var stages = Stages()

    /// What a press left of the prompt's keys and values; nil where they stayed whole.
    public var pressed: PressReport?

    /// Why it came about so.
    public var explanation = Explanation()

    init(_ assembly: Assembly) {
        self.assembly = assembly.name
        provenance = .exact
        switch assembly {
        case .exact: break
        case .parallel(let temperature, let scale): (self.temperature, self.scale) = (temperature, scale)
        case .stitched(let selector, let ratio, _):
            self.selector = selector.name
            self.ratio = selector.takesRatio ? ratio : nil
            checkLayer = selector.checkLayer
            if case .storedScore(let options) = selector { alpha = options.alpha }
        }
    }

    /// Counts the seconds in which a text became the prompt's ids.
    package mutating func add(tokenizing seconds: Double) {
        stages.tokenize += seconds
        timeToFirstToken += seconds
    }
}
