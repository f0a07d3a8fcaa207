// SPDX-License-Identifier: Apache-2.0

/// What an observer wants to see of one layer. Nothing is copied that was not asked for.
public struct LayerNeeds: Sendable, Hashable {
    /// Fresh keys and values of all rows.
    public var keysAndValues: Bool
    /// Fresh queries of all rows.
    public var queries: Bool
    /// The L2 norm of the residual stream of each row, as it enters the layer.
    public var residualNorms: Bool
    /// The keys and values of all rows that the buffer held before, and the fresh keys as they stand in their place.
    public var displaced: Bool
    /// The slots of the rows whose attention probabilities are wanted for the selection; empty for none. Their queries
    /// are computed once more for it.
    public var attentionAtSelection: [Int]
    /// The slots of the rows whose attention probabilities are wanted; empty for none. It costs a second pass over
    /// their scores.
    public var attentionOf: [Int]
    /// The slots of the rows whose attention is to be added up, key by key; empty for none. It costs a second pass over
    /// their scores, without the values.
    public var receivedFrom: [Int]
    /// The rows whose attention is wanted over a part of the keys, beside that over all of them; nil for none.
    public var ablation: AblationNeeds?
    /// The rows and segments whose attention masses are wanted; nil for none. It costs a second pass over their scores,
    /// without the values.
    public var masses: AttentionMassNeeds?

    /// Asks for some of it.
    public init(
        keysAndValues: Bool = false, queries: Bool = false, residualNorms: Bool = false, displaced: Bool = false,
        attentionAtSelection: [Int] = [], attentionOf: [Int] = [], receivedFrom: [Int] = [],
        ablation: AblationNeeds? = nil, masses: AttentionMassNeeds? = nil
    ) {
        self.keysAndValues = keysAndValues
        self.queries = queries
        self.residualNorms = residualNorms
        self.displaced = displaced
        self.attentionAtSelection = attentionAtSelection
        self.attentionOf = attentionOf
        self.receivedFrom = receivedFrom
        self.ablation = ablation
        self.masses = masses
    }

    /// Nothing at all.
    public static let nothing = LayerNeeds()
}

/// Whose attention is to be added up, and over which keys.
public struct AttentionMassNeeds: Sendable, Hashable {
    /// The slots of the rows.
    public var rows: [Int]
    /// Runs of key slots, each by itself: they may overlap, leave gaps, or be empty.
    public var segments: [Range<Int>]

    /// Asks for the attention of `rows` to each of `segments`.
    public init(rows: [Int], segments: [Range<Int>]) {
        self.rows = rows
        self.segments = segments
    }
}

/// Whose attention is to be computed over a part of the keys too.
public struct AblationNeeds: Sendable, Hashable {
    /// The slots of the rows.
    public var rows: [Int]
    /// The slots of the keys that are left, ascending.
    public var kept: [Int]

    /// Asks for the attention of `rows` over `kept`.
    public init(rows: [Int], kept: [Int]) {
        self.rows = rows
        self.kept = kept
    }
}

/// What a layer shows before rows are selected. Arrays that were not asked for are empty.
public struct LayerProjection: Sendable {
    /// The layer, from 0.
    public var layer: Int
    /// The slots of the rows, ascending.
    public var slots: [Int]
    /// Fresh keys before RoPE, (row, KV head, dimension).
    public var keys: [Float]
    /// Fresh values, (row, KV head, dimension).
    public var values: [Float]
    /// Fresh queries before RoPE, (row, query head, dimension).
    public var queries: [Float]
    /// The L2 norm of the residual stream of each row, as it enters the layer.
    public var residualNorms: [Float]
    /// The keys that the buffer held in the rows' slots, RoPE applied, (row, KV head, dimension).
    public var displacedKeys: [Float]
    /// The values that the buffer held in the rows' slots, (row, KV head, dimension).
    public var displacedValues: [Float]
    /// Fresh keys with RoPE applied, to be compared with `displacedKeys`.
    public var placedKeys: [Float]
    /// The attention of the rows of ``LayerNeeds/attentionAtSelection``, with the fresh keys and values of all rows in
    /// place; nil if none was asked for.
    public var attention: LayerAttention?

    /// Makes a projection of all its parts.
    public init(
        layer: Int, slots: [Int], keys: [Float] = [], values: [Float] = [], queries: [Float] = [],
        residualNorms: [Float] = [], displacedKeys: [Float] = [], displacedValues: [Float] = [],
        placedKeys: [Float] = [], attention: LayerAttention? = nil
    ) {
        self.layer = layer
        self.slots = slots
        self.keys = keys
        self.values = values
        self.queries = queries
        self.residualNorms = residualNorms
        self.displacedKeys = displacedKeys
        self.displacedValues = displacedValues
        self.placedKeys = placedKeys
        self.attention = attention
    }
}

/// The attention probabilities of chosen rows in one layer.
public struct LayerAttention: Sendable {
    /// The layer, from 0.
    public var layer: Int
    /// The slots of the chosen rows that are computed in this layer, ascending.
    public var slots: [Int]
    /// Probabilities, (chosen row, query head, key slot); 0 where the mask hides a key. Over a pressed buffer keys are the
    /// layer's rows.
    public var probabilities: [Float]

    /// Makes an attention view of all its parts.
    public init(layer: Int, slots: [Int], probabilities: [Float]) {
        self.layer = layer
        self.slots = slots
        self.probabilities = probabilities
    }
}

/// The attention that each key gets from chosen rows in one layer.
public struct LayerReceived: Sendable {
    /// The layer, from 0.
    public var layer: Int
    /// The slots of the chosen rows that are computed in this layer, ascending.
    public var slots: [Int]
    /// The sum of probabilities over the rows, (query head, key slot).
    public var sums: [Float]
    /// The highest of them, (query head, key slot).
    public var peaks: [Float]

    /// Makes a view of all its parts.
    public init(layer: Int, slots: [Int], sums: [Float], peaks: [Float]) {
        self.layer = layer
        self.slots = slots
        self.sums = sums
        self.peaks = peaks
    }
}

/// What the attention block of a layer gives for chosen rows, over all keys and over a part of them.
public struct LayerAblation: Sendable {
    /// The layer, from 0.
    public var layer: Int
    /// The slots of the chosen rows that are computed in this layer, ascending.
    public var slots: [Int]
    /// What is added to the residual stream, (row, model width).
    public var full: [Float]
    /// What would be added if there were no other keys than those that are left, (row, model width).
    public var ablated: [Float]

    /// Makes a view of all its parts.
    public init(layer: Int, slots: [Int], full: [Float], ablated: [Float]) {
        self.layer = layer
        self.slots = slots
        self.full = full
        self.ablated = ablated
    }
}

/// How much of the attention of chosen rows goes to each segment of keys in one layer.
///
/// A mass is the sum of a row's attention probabilities over the segment's visible keys, averaged over query heads. It
/// comes from log sums, mean_h e^(LSE_segment − LSE_all), so that no probability is ever kept (the sums that Cache-Craft
/// needs, Agarwal et al., SIGMOD 2025, Eq. 3 and 4, without n² memory).
public struct LayerMasses: Sendable {
    /// The layer, from 0.
    public var layer: Int
    /// The slots of the chosen rows that are computed in this layer, ascending.
    public var slots: [Int]
    /// The number of segments.
    public var segments: Int
    /// Masses, (chosen row, segment), from 0 to 1.
    public var masses: [Float]
    /// The same, of the query head that pays most instead of the mean of all, (row, segment).
    public var peaks: [Float]

    /// Makes a view of all its parts.
    public init(layer: Int, slots: [Int], segments: Int, masses: [Float], peaks: [Float]) {
        self.layer = layer
        self.slots = slots
        self.segments = segments
        self.masses = masses
        self.peaks = peaks
    }
}

/// Watches a partial prefill layer by layer and may narrow the set of rows that goes on.
///
/// This is the seam through which chunks are streamed in, captured and selected. All calls come from the computing
/// thread, in the order `needs`, `layerBegins`, `select`, `layerAttended`, `layerReceived`, `layerAblated`, `layerWeighed`,
/// for layer 0, 1, 2 …
public protocol LayerObserver: AnyObject {
    /// What the observer wants to see of `layer`.
    func needs(of layer: Int) -> LayerNeeds

    /// Called before anything of `layer` is computed: on return, every cached row of this layer is in the buffer.
    func layerBegins(_ layer: Int) throws(TesseraError)

    /// Called when the fresh keys and values of all the layer's rows are in the buffer. What they took the place of is
    /// to be had through ``LayerNeeds/displaced``.
    ///
    /// - Returns: The slots that go on through attention, feed-forward and all later layers: a subset of the
    ///   projection's, ascending; nil for all of them.
    func select(_ projection: LayerProjection) throws(TesseraError) -> [Int]?

    /// Called after the attention of a layer of which ``LayerNeeds/attentionOf`` was asked.
    func layerAttended(_ attention: LayerAttention) throws(TesseraError)

    /// Called after the attention of a layer of which ``LayerNeeds/receivedFrom`` was asked.
    func layerReceived(_ received: LayerReceived) throws(TesseraError)

    /// Called after the attention of a layer of which ``LayerNeeds/ablation`` was asked.
    func layerAblated(_ ablation: LayerAblation) throws(TesseraError)

    /// Called after the attention of a layer of which ``LayerNeeds/masses`` was asked.
    func layerWeighed(_ masses: LayerMasses) throws(TesseraError)
}

extension LayerObserver {
    /// By default nothing.
    public func needs(of layer: Int) -> LayerNeeds { .nothing }
    /// By default nothing is loaded.
    public func layerBegins(_ layer: Int) throws(TesseraError) {}
    /// By default all rows go on.
    public func select(_ projection: LayerProjection) throws(TesseraError) -> [Int]? { nil }
    /// By default ignored.
    public func layerAttended(_ attention: LayerAttention) throws(TesseraError) {}
    /// By default ignored.
    public func layerReceived(_ received: LayerReceived) throws(TesseraError) {}
    /// By default ignored.
    public func layerAblated(_ ablation: LayerAblation) throws(TesseraError) {}
    /// By default ignored.
    public func layerWeighed(_ masses: LayerMasses) throws(TesseraError) {}
}
