// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Keeps what matters of screenshots: what stands out on the current one, and what earlier ones showed that it does not.
///
/// GUI-KV (arXiv 2510.00536), written from its formulas. The last frame is the current one, all others are earlier ones.
/// 1. The window's attention, summed and smoothed, as ``SnapKVPress``.
/// 2. Spatial saliency: patches of the current frame get α · softmax(z / τ) added, z being the norm of their residual
///    stream less the frame's mean, over its standard deviation.
/// 3. Temporal redundancy: of the patches of earlier frames, those whose keys lie nearest to the subspace that the current
///    frame's keys span, ρ = ‖k − QQᵀk‖, score 0: as large a share of them as does not fit the budget.
/// Text competes with its attention alone. It goes with ``UniformBudget``, since attention to screenshots is sparse in
/// every layer alike.
///
/// Deviations: one set per KV head, its group averaged, where the original keeps one per query head and so loses what
/// grouping saves. Keys are taken before RoPE, or equal patches of two frames would differ by where they stand; the
/// subspace is spanned by the leading singular vectors, or by pivoted QR, where the original's QR without pivoting
/// takes the first 32 patches of the screen, whatever they show (``Basis/firstKeys``, to compare).
public struct GUIKVPress: Press {
    /// How the subspace of the current frame's keys is found.
    public enum Basis: String, Sendable, Codable, CaseIterable {
        /// The left singular vectors of the largest singular values.
        case singularVectors
        /// The first columns of QR with column pivoting.
        case pivotedQR
        /// The first columns of QR as it comes, which span the first keys: the original's.
        case firstKeys
    }

    /// α: what saliency weighs beside attention.
    public var saliency: Float
    /// τ: what the norms' z-scores are divided by.
    public var temperature: Float
    /// r: the rank of the subspace; nil for a quarter of a head's dimensions, the original's 32 of 128.
    public var rank: Int?
    /// How the subspace is found.
    public var basis: Basis
    /// Whether keys are compared with RoPE applied, as in the original.
    public var rotated: Bool
    /// The last tokens that vote.
    public var window: Int
    /// The width of the smoothing, odd.
    public var kernel: Int

    /// A press of all its numbers; α and τ are those of the authors' scripts.
    public init(
        saliency: Float = 2, temperature: Float = 3.5, rank: Int? = nil, basis: Basis = .singularVectors,
        rotated: Bool = false, window: Int = 8, kernel: Int = 5
    ) {
        self.saliency = saliency
        self.temperature = temperature
        self.rank = rank
        self.basis = basis
        self.rotated = rotated
        self.window = window
        self.kernel = kernel
    }

    /// `gui-kv`.
    public var name: String { "gui-kv" }
    /// The window's attention, norms, and frames.
    public var needs: PressNeeds { PressNeeds(window: window, norms: true, frames: true) }

    /// The scores of each KV head.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a prompt without frames and options out of range, of code
    ///   `unsupported` where the current frame was not computed for this prompt, so that its norms are not known.
    public func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
        guard let current = view.segments.frames.last else {
            throw TesseraError(.invalidInput, "gui-kv presses screenshots, and this prompt has none; give it --frames")
        }
        try view.segments.validate(tokens: view.tokens)
        guard temperature > 0, saliency >= 0, saliency.isFinite, rank ?? 1 > 0 else {
            throw TesseraError(.invalidInput, "gui-kv takes a temperature and a rank above 0 and no negative saliency")
        }
        guard view.norms[current].allSatisfy(\.isFinite) else {
            throw TesseraError(.unsupported, "gui-kv needs the current frame to be computed with the prompt")
        }
        let attention = try WindowAttention(view, kernel: kernel, for: self)
        let salient = spatialSaliency(Array(view.norms[current]), temperature: temperature).map { $0 * saliency }
        let keys = rotated ? view.keys : view.unrotatedKeys()
        try view.requireFinite(keys, for: self)
        var heads: [[Float]] = []
        for head in 0..<view.layout.heads {
            var scores = attention.mean(of: head * view.group..<(head + 1) * view.group)
            for (token, extra) in zip(current, salient) where token < scores.count { scores[token] += extra }
            for token in try redundant(view, view.rows(keys, head), current) where token < scores.count {
                scores[token] = 0
            }
            heads.append(scores)
        }
        return attention.scores(heads)
    }

    /// The patches of earlier frames that the current one shows again, as many as don't fit the budget.
    private func redundant(
        _ view: LayerView, _ keys: [Float], _ current: Range<Int>
    ) throws(TesseraError) -> [Int] {
        let earlier = view.segments.frames.dropLast().flatMap { Array($0) }
        guard !earlier.isEmpty else { return [] }
        let dimension = view.layout.headDimension
        let subspace = try KeySubspace(
            Array(keys[current.lowerBound * dimension..<current.upperBound * dimension]), dimension: dimension,
            rank: rank ?? max(1, dimension / 4), basis: basis)
        let residuals = subspace.residuals(
            earlier.flatMap { keys[$0 * dimension..<($0 + 1) * dimension] })
        // Whole numbers: (1 − 0.8) · 10 is 1.999… in doubles.
        let excess = (view.tokens - view.budget) * earlier.count / view.tokens
        let order = residuals.indices.sorted { (residuals[$0], $0) < (residuals[$1], $1) }
        return order.prefix(max(0, excess)).map { earlier[$0] }
    }
}

/// σ = softmax(z / τ) of the z-scores of norms.
func spatialSaliency(_ norms: [Float], temperature: Float) -> [Float] {
    let norms = norms.map(Double.init)
    let (mean, deviation) = meanAndDeviation(norms)
    return softmax(norms.map { ($0 - mean) / (deviation + 1e-8) / Double(temperature) }).map(Float.init)
}
