// SPDX-License-Identifier: Apache-2.0

/// What was seen of a chunk's attention when its KV was captured behind other chunks.
///
/// Cache-Craft (Agarwal et al., SIGMOD 2025), §3: the aggregates of eq. 3, 4 and 14, means over query heads and layers.
/// They come from log-sum-exp, not from attention matrices, and are taken when a chunk is captured, never while a
/// prompt waits. The system prompt and the beginning-of-sequence token are no chunks: they hold the attention sink,
/// which would drown everything else.
public struct ChunkStatistics: Sendable, Equatable {
    /// For each chunk before it, in order: its tokens.
    public var neighbourTokens: [Int]
    /// For each chunk before it, in order: Σ of the attention that this chunk's tokens paid to its tokens (eq. 3).
    public var inter: [Double]
    /// Σ of the attention that this chunk's tokens paid to each other and to themselves (eq. 4).
    public var intra: Double
    /// For each token of this chunk: the attention that it paid to all chunks before it (eq. 14).
    public var scores: [Float]
    /// For each token of this chunk: the attention that its most outward head paid to all chunks before it, the highest of
    /// the layers that ``AttentionTally`` looks at. Not the paper's.
    public var peaks: [Float]

    /// Makes statistics of all their parts.
    public init(neighbourTokens: [Int], inter: [Double], intra: Double, scores: [Float], peaks: [Float]) {
        precondition(neighbourTokens.count == inter.count, "one sum for each neighbour")
        precondition(scores.count == peaks.count, "two scores for each token")
        self.neighbourTokens = neighbourTokens
        self.inter = inter
        self.intra = intra
        self.scores = scores
        self.peaks = peaks
    }

    /// What was seen of the same chunk in two contexts: aggregates add up, so that their quotients are means, and of each
    /// token the higher score counts, because one context may bind it and another leave it alone.
    public func pooled(with other: ChunkStatistics) -> ChunkStatistics {
        precondition(scores.count == other.scores.count, "the same chunk")
        return ChunkStatistics(
            neighbourTokens: neighbourTokens + other.neighbourTokens, inter: inter + other.inter,
            intra: intra + other.intra, scores: zip(scores, other.scores).map { max($0, $1) },
            peaks: zip(peaks, other.peaks).map { max($0, $1) })
    }

    /// ā of eq. 9 and 10: Σ over the chunks before it of inter ÷ (own tokens · its tokens).
    public var outside: Double {
        zip(neighbourTokens, inter).reduce(0) { $0 + $1.1 / Double(max(1, scores.count) * max(1, $1.0)) }
    }

    /// b̄ of eq. 9 and 10: intra ÷ own tokens squared.
    public var inside: Double {
        let tokens = Double(max(1, scores.count))
        return intra / (tokens * tokens)
    }

    /// ``contextImpact(outside:inside:)`` of these statistics.
    public var impact: Double { contextImpact(outside: outside, inside: inside) }
}

/// Adds up a chunk's attention layer by layer while it is captured.
///
/// Peaks are taken of the layers from 1 up to the middle. There a model binds what a token refers to; in layer 0 nothing
/// has been read yet, and what the upper half reads, it reads over what was bound below.
public struct AttentionTally: Sendable {
    private let neighbourTokens: [Int]
    private let tokens: Int
    private var inter: [Double]
    private var intra = 0.0
    private var scores: [Double]
    private var peaks: [Float]
    private var layers = 0
    private let peakLayers: Range<Int>

    /// Begins with nothing.
    ///
    /// - Parameters:
    ///   - neighbourTokens: The tokens of each chunk before it, in order.
    ///   - tokens: Its own tokens.
    ///   - layers: The model's layers.
    public init(neighbourTokens: [Int], tokens: Int, layers: Int) {
        self.neighbourTokens = neighbourTokens
        self.tokens = tokens
        inter = Array(repeating: 0, count: neighbourTokens.count)
        scores = Array(repeating: 0, count: tokens)
        peaks = Array(repeating: 0, count: tokens)
        peakLayers = min(1, layers - 1)..<max(2, layers / 2)
    }

    /// Adds a layer.
    ///
    /// - Parameters:
    ///   - masses: The attention of each token of the chunk, mean over query heads, on each chunk before it and last on
    ///     the chunk itself: (token, neighbour … , own).
    ///   - outermost: The attention of each token on all chunks before it together, of the head that pays most.
    public mutating func add(_ masses: [Float], outermost: [Float]) {
        let width = neighbourTokens.count + 1
        precondition(masses.count == tokens * width, "a mass for each token and segment")
        for token in 0..<tokens {
            let row = masses[token * width..<(token + 1) * width]
            for (neighbour, mass) in row.dropLast().enumerated() {
                inter[neighbour] += Double(mass)
                scores[token] += Double(mass)
            }
            intra += Double(row.last ?? 0)
        }
        if peakLayers.contains(layers) {
            for token in 0..<tokens { peaks[token] = max(peaks[token], outermost[token]) }
        }
        layers += 1
    }

    /// The means over the layers that were added.
    public var statistics: ChunkStatistics {
        let share = 1 / Double(max(1, layers))
        return ChunkStatistics(
            neighbourTokens: neighbourTokens, inter: inter.map { $0 * share }, intra: intra * share,
            scores: scores.map { Float($0 * share) }, peaks: peaks)
    }
}
