// SPDX-License-Identifier: Apache-2.0

/// A chunk whose stored KV is used in a prompt, as far as the choice of tokens goes.
public struct ReusedChunk: Sendable, Hashable {
    /// Where it stands in the prompt.
    public var slots: Range<Int>
    /// The stored score of each of its tokens; nil for a variant that has none.
    public var scores: [Float]?
    /// β′: how much of the context that its KV was captured in stands before it now.
    public var overlap: Double
    /// CFO at α = 1: the share to compute anew.
    public var overhead: Double

    /// Makes a chunk; by default it is one that was encoded alone, of which nothing is known.
    public init(slots: Range<Int>, scores: [Float]? = nil, overlap: Double = 0, overhead: Double = 1) {
        precondition(scores.map { $0.count == slots.count } ?? true, "one score for each token")
        self.slots = slots
        self.scores = scores
        self.overlap = overlap
        self.overhead = overhead
    }
}
