// SPDX-License-Identifier: Apache-2.0

/// Tells, layer by layer, which chunks the question looks at, so that the repair of the others can stop.
///
/// Cache-Craft (Agarwal et al., SIGMOD 2025), §4: in most prompts the chunks that matter can be told apart by layers 10
/// to 15. The paper's predictor is not public. This one adds up the question's attention to each chunk per token of the
/// chunk, cuts the sorted sums at their largest relative gap, and settles when the same chunks stood above the cut for
/// ``window`` layers. It never settles on more than half of the chunks.
public struct FocusedChunks: Sendable, Equatable {
    /// The first layer in which it may settle.
    public var firstLayer: Int
    /// For how many layers the same chunks must have stood out.
    public var window: Int

    private var sums: [Double]
    private var tokens: [Int]
    private var last: Set<Int> = []
    private var run = 0

    /// Begins with nothing seen.
    ///
    /// - Parameters:
    ///   - tokens: The tokens of each chunk.
    ///   - firstLayer: The first layer in which it may settle; 8 for models of 16 layers and more.
    ///   - window: For how many layers the same chunks must have stood out.
    public init(tokens: [Int], firstLayer: Int = 8, window: Int = 3) {
        self.tokens = tokens
        self.firstLayer = firstLayer
        self.window = window
        sums = Array(repeating: 0, count: tokens.count)
    }

    /// Adds a layer.
    ///
    /// - Parameters:
    ///   - masses: The question's attention to each chunk, summed over its tokens.
    ///   - layer: The layer, from 0.
    /// - Returns: The chunks that matter, once they are settled; nil before.
    public mutating func add(_ masses: [Double], layer: Int) -> Set<Int>? {
        precondition(masses.count == sums.count, "a mass for each chunk")
        for chunk in sums.indices { sums[chunk] += masses[chunk] / Double(max(1, tokens[chunk])) }
        let focused = standingOut()
        run = focused == last ? run + 1 : 1
        last = focused
        guard layer >= firstLayer, run >= window, 2 * focused.count <= sums.count, !focused.isEmpty else { return nil }
        return focused
    }

    /// The chunks above the largest relative gap of the sums.
    private func standingOut() -> Set<Int> {
        let order = sums.indices.sorted { sums[$0] == sums[$1] ? $0 < $1 : sums[$0] > sums[$1] }
        var (cut, widest) = (order.count, 1.0)
        for place in order.indices.dropFirst() {
            let (above, below) = (sums[order[place - 1]], sums[order[place]])
            let gap = below > 0 ? above / below : (above > 0 ? .infinity : 1)
            if gap > widest { (cut, widest) = (place, gap) }
        }
        return Set(order.prefix(cut))
    }
}
