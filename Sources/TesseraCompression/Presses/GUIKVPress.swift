// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Keeps what matters of screenshots: what stands out on them, and what earlier ones showed that the current one does not.
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
/// takes the first 32 patches of the screen, whatever they show (``Basis/firstKeys``, to compare). Earlier frames have some
/// saliency too (``earlier``): a task that goes back to what was on an earlier screen finds it there by neither of the
/// paper's rules. Redundant patches can be left their attention (``Redundancy``). ``published`` has the paper's rules.
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

    /// What becomes of patches of earlier frames that the current one shows again.
    public enum Redundancy: String, Sendable, Codable, CaseIterable {
        /// They score 0: the paper's.
        case forgotten
        /// They have no saliency.
        case dulled
        /// Nothing.
        case ignored
    }

    /// α: what saliency weighs beside attention.
    public var saliency: Float
    /// What saliency of an earlier frame weighs, of that of the current one; the paper's is 0.
    public var earlier: Float
    /// What becomes of redundant patches.
    public var redundancy: Redundancy
    /// τ: what the norms' z-scores are divided by.
    public var temperature: Float
    /// r: the rank of the subspace; nil for ``rankShare`` of a head's dimensions.
    public var rank: Int?
    /// The rank ÷ a head's dimensions where ``rank`` says nothing; the original's is 32 of 128. The fewer directions, the less
    /// of a screen is spanned beside its ground, and the less counts as shown again.
    public var rankShare: Float
    /// How the subspace is found.
    public var basis: Basis
    /// Whether keys are compared with RoPE applied, as in the original.
    public var rotated: Bool
    /// The last tokens that vote.
    public var window: Int
    /// The width of the smoothing, odd.
    public var kernel: Int

    /// A press of all its numbers; by default those that were best for the visual fixture on a development set.
    public init(
        saliency: Float = 2, temperature: Float = 0.5, earlier: Float = 0.1, redundancy: Redundancy = .forgotten,
        rank: Int? = nil, rankShare: Float = 0.125, basis: Basis = .singularVectors, rotated: Bool = false,
        window: Int = 24, kernel: Int = 1
    ) {
        self.saliency = saliency
        self.temperature = temperature
        self.earlier = earlier
        self.redundancy = redundancy
        self.rank = rank
        self.rankShare = rankShare
        self.basis = basis
        self.rotated = rotated
        self.window = window
        self.kernel = kernel
    }

    /// The paper's rules, with the numbers of its authors' scripts.
    public static let published = GUIKVPress(
        saliency: 2, temperature: 3.5, earlier: 0, rankShare: 0.25, window: 8, kernel: 5)

    /// `gui-kv`.
    public var name: String { "gui-kv" }
    /// The window's attention, norms, and frames.
    public var needs: PressNeeds { PressNeeds(window: window, norms: true, frames: true) }

    /// The scores of each KV head.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a prompt without frames and options out of range, of code
    ///   `unsupported` where a frame that is to have saliency was not computed for this prompt: its norms are not known.
    public func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
        guard let current = view.segments.frames.last else {
            throw TesseraError(.invalidInput, "gui-kv presses screenshots, and this prompt has none; give it --frames")
        }
        try view.segments.validate(tokens: view.tokens)
        guard temperature > 0, saliency >= 0, saliency.isFinite, earlier >= 0, earlier.isFinite, rank ?? 1 > 0,
            rankShare > 0, rankShare <= 1
        else {
            throw TesseraError(.invalidInput, "gui-kv takes a temperature and a rank above 0 and no negative saliency")
        }
        let attention = try WindowAttention(view, kernel: kernel, for: self)
        let salient = try salience(of: view, current)
        let keys = rotated ? view.keys : view.unrotatedKeys()
        try view.requireFinite(keys, for: self)
        var heads: [[Float]] = []
        for head in 0..<view.layout.heads {
            var scores = attention.mean(of: head * view.group..<(head + 1) * view.group)
            let again = redundancy == .ignored ? [] : try redundant(view, view.rows(keys, head), current)
            var extra = salient
            for token in again { extra[token] = 0 }
            for token in scores.indices { scores[token] += extra[token] }
            if redundancy == .forgotten { for token in again where token < scores.count { scores[token] = 0 } }
            heads.append(scores)
        }
        return attention.scores(heads)
    }

    /// What saliency adds to each token.
    private func salience(of view: LayerView, _ current: Range<Int>) throws(TesseraError) -> [Float] {
        var salient = [Float](repeating: 0, count: view.tokens)
        for frame in view.segments.frames {
            let weight = frame == current ? saliency : saliency * earlier
            guard weight > 0 else { continue }
            guard view.norms[frame].allSatisfy(\.isFinite) else {
                throw TesseraError(.unsupported, "gui-kv needs the frames to be computed with the prompt")
            }
            let shares = spatialSaliency(Array(view.norms[frame]), temperature: temperature)
            for (token, share) in zip(frame, shares) { salient[token] = weight * share }
        }
        return salient
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
            rank: rank ?? max(1, Int(Float(dimension) * rankShare)), basis: basis)
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
