// SPDX-License-Identifier: Apache-2.0

/// One call of the core computation: some tokens are run through the layers over a KV buffer that may already hold
/// the keys and values of others.
///
/// A row is one computed token. Row r writes its fresh keys and values into slot `slots[r]` of the buffer and attends
/// to every slot below `keyCount` whose position is not greater than its own. Positions are the buffer's; they may
/// repeat, as those of `parallel` contexts do.
public struct PartialPrefill: Sendable {
    /// What enters the first layer.
    public enum Input: Sendable {
        /// Token ids, one per row.
        case tokens([TokenID])
        /// Embeddings of shape (row, model width), for input that is not text.
        case embeddings([Float])
        /// Token ids, one per row, but for runs of rows that take embeddings, (row, model width), in their place.
        case mixed([TokenID], [EmbeddedRows])
    }

    /// A run of rows that embeddings enter.
    public struct EmbeddedRows: Sendable {
        /// The rows, by their place in the call.
        public var rows: Range<Int>
        /// (row, model width).
        public var embeddings: [Float]

        /// A run with its embeddings.
        public init(_ rows: Range<Int>, _ embeddings: [Float]) {
            self.rows = rows
            self.embeddings = embeddings
        }
    }

    /// Which rows' logits are wanted.
    public enum Logits: Sendable, Hashable {
        /// No logits: the KV is all that is wanted.
        case none
        /// Those of the last rows, so many of them.
        case trailing(Int)
        /// Those of every row that is still computed in the last layer.
        case all

        /// Those of the last row.
        public static let last = Logits.trailing(1)
    }

    /// What enters the first layer.
    public var input: Input
    /// The buffer slot of each row, ascending and without repeats.
    public var slots: [Int]
    /// Slots `0 ..< keyCount` can be attended to; at least one more than the last of `slots`.
    public var keyCount: Int
    /// Which rows' logits are wanted.
    public var logits: Logits
    /// Contexts below `keyCount` that were encoded side by side and are attended to as such; nil for none.
    public var parallel: ParallelContexts?

    /// Makes a call of all its parts.
    public init(
        input: Input, slots: [Int], keyCount: Int, logits: Logits, parallel: ParallelContexts? = nil
    ) {
        self.input = input
        self.slots = slots
        self.keyCount = keyCount
        self.logits = logits
        self.parallel = parallel
    }
}

/// What a partial prefill gives back.
public struct PrefillOutput: Sendable {
    /// Logits of shape (row, vocabulary): of none, of the last rows, or of all rows left in the last layer.
    public var logits: [Float]
    /// The slots that were computed through the last layer, ascending.
    public var slots: [Int]
    /// For each layer, the number of rows that went through attention and feed-forward in it.
    public var computedRows: [Int]
    /// How long the call stood aside for steps of other answers.
    public var waited: Duration

    /// Makes an output of all its parts.
    public init(logits: [Float], slots: [Int], computedRows: [Int], waited: Duration = .zero) {
        self.waited = waited
        self.logits = logits
        self.slots = slots
        self.computedRows = computedRows
    }
}
