// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// What a press sees of one layer once the prompt is computed. Arrays that it did not ask for are empty.
///
/// Attention is softmax over all keys that a row sees.
public struct LayerView: Sendable {
    /// The layer, from 0.
    public var layer: Int
    /// The number of query heads; those of a group follow each other and share a KV head.
    public var queryHeads: Int
    /// The shape of keys and values.
    public var layout: KVLayout
    /// How positions turn keys and queries.
    public var rotary: RotaryTable
    /// The position of each token.
    public var positions: [Int32]
    /// The tokens that a layer keeps on average: presses that share them out between parts of the prompt go by it.
    public var budget: Int
    /// The parts of the prompt; one of text where nothing else was said.
    public var segments: [PressSegment]

    /// Keys with RoPE applied, (token, KV head, dimension).
    public var keys: [Float]
    /// Values, (token, KV head, dimension).
    public var values: [Float]

    /// The tokens of the window, ascending: the last that were computed.
    public var window: [Int] = []
    /// The window's attention, (window token, query head, token).
    public var attention: [Float] = []
    /// The attention that each token received, summed over the computed tokens, (query head, token).
    public var received: [Float] = []
    /// The tokens that it received attention from, ascending; empty for all.
    public var receivedFrom: [Int] = []
    /// The tokens that were computed, ascending, where queries are asked for; empty for all.
    public var computed: [Int] = []
    /// Queries before RoPE, (computed token, query head, dimension).
    public var queries: [Float] = []
    /// The highest attention that each token received from any token of the repeated prompt, (query head, token).
    public var repeated: [Float] = []
    /// The L2 norm of the residual stream as it enters the layer; NaN for tokens that were not computed.
    public var norms: [Float] = []

    /// A view with what every press sees.
    public init(
        layer: Int, queryHeads: Int, layout: KVLayout, rotary: RotaryTable, positions: [Int32], budget: Int,
        segments: [PressSegment], keys: [Float], values: [Float]
    ) {
        self.layer = layer
        self.queryHeads = queryHeads
        self.layout = layout
        self.rotary = rotary
        self.positions = positions
        self.budget = budget
        self.segments = segments
        self.keys = keys
        self.values = values
    }

    /// The number of tokens.
    public var tokens: Int { positions.count }

    /// The query heads that share a KV head.
    public var group: Int { queryHeads / layout.heads }

    /// The keys of a KV head, (token, dimension), with RoPE applied.
    public func keys(ofHead head: Int) -> [Float] { rows(keys, head) }

    /// The keys of all heads as they were before RoPE, (token, KV head, dimension).
    public func unrotatedKeys() -> [Float] {
        var turned = keys
        rotary.inverseAngles(at: positions).turn(&turned, heads: layout.heads, headDimension: layout.headDimension)
        return turned
    }

    /// The rows of a KV head in an array of all of them, (token, dimension).
    func rows(_ all: [Float], _ head: Int) -> [Float] {
        let dimension = layout.headDimension
        var rows: [Float] = []
        rows.reserveCapacity(tokens * dimension)
        for start in stride(from: head * dimension, to: all.count, by: layout.width) {
            rows += all[start..<start + dimension]
        }
        return rows
    }

    /// Refuses keys or values that are not all finite: what is made of them may look like scores.
    func requireFinite(_ numbers: [Float], for press: some Press) throws(TesseraError) {
        guard numbers.allSatisfy(\.isFinite) else { throw .notFinite(press, layer: layer) }
    }

    /// The mean, over the query heads of each KV head's group, of numbers of shape (query head, token).
    func groupMeans(_ numbers: [Float]) -> [[Float]] {
        (0..<layout.heads).map { head in mean(numbers, of: (0..<group).map { head * group + $0 }) }
    }

    /// The mean over some query heads of numbers of shape (query head, token).
    func mean(_ numbers: [Float], of heads: [Int]) -> [Float] {
        (0..<tokens).map { token in
            heads.reduce(0) { $0 + numbers[$1 * tokens + token] } / Float(heads.count)
        }
    }

    /// The attention that the first tokens received from some query heads, on the mean of those heads and of the tokens that
    /// see it.
    ///
    /// - Parameter count: How many tokens; some from there on are among those that it was received from.
    func meanReceived(by heads: [Int], first count: Int) -> [Float] {
        var sees = [Bool](repeating: receivedFrom.isEmpty, count: tokens)
        for token in receivedFrom { sees[token] = true }
        var rows = sees[count...].count { $0 }
        var means = mean(received, of: heads).prefix(count).map { $0 }
        for token in means.indices.reversed() {
            if sees[token] { rows += 1 }
            means[token] /= Float(rows)
        }
        return means
    }

    /// The window's attention summed over its tokens, (query head, token).
    func windowSums() -> [Float] {
        var sums = [Float](repeating: 0, count: queryHeads * tokens)
        for row in window.indices {
            for index in sums.indices { sums[index] += attention[row * sums.count + index] }
        }
        return sums
    }
}

extension TesseraError {
    /// A press that can't judge a layer.
    static func notFinite(_ press: any Press, layer: Int) -> TesseraError {
        TesseraError(.invalidInput, "\(press.name) can't score layer \(layer): its keys or values are not all finite")
    }
}
