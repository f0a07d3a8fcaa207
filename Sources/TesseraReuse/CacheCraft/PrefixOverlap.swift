// SPDX-License-Identifier: Apache-2.0

/// What a chunk is told by when the chunks before it are compared: where they stood and what they meant to it.
public struct PrefixNeighbour<ID: Hashable & Sendable>: Sendable, Hashable {
    /// Which chunk.
    public var id: ID
    /// The attention that the later chunk paid to it when it was captured (``ChunkStatistics/inter``).
    public var inter: Double

    /// Makes a neighbour of its parts.
    public init(id: ID, inter: Double) {
        (self.id, self.inter) = (id, inter)
    }
}

/// Prefix overlap β: the share of a chunk's outside attention whose object still stands before it.
///
/// Cache-Craft (Agarwal et al., SIGMOD 2025), §3, eq. 6: Σ inter over the chunks that stood before it and do now ÷ Σ
/// inter over all that stood before it. Two cases in which the quotient says nothing:
///
/// - Nothing stood before it, as in an isolated encoding. Then β measures no lost context, but all that stands there now
///   is missing: 0 unless nothing stands there now either. Published re-implementations take 1, which would never
///   repair an isolated chunk.
/// - It paid no attention to what stood there. Then nothing of it is lost: 1.
///
/// - Parameters:
///   - old: The chunks that stood before it when it was captured, in order.
///   - new: The chunks that stand before it now.
/// - Returns: 0 … 1.
public func prefixOverlap<ID>(old: [PrefixNeighbour<ID>], new: [ID]) -> Double {
    guard !old.isEmpty else { return new.isEmpty ? 1 : 0 }
    let present = Set(new)
    let all = old.reduce(0) { $0 + $1.inter }
    guard all > 0 else { return 1 }
    let kept = old.reduce(0) { present.contains($1.id) ? $0 + $1.inter : $0 }
    return min(1, kept / all)
}

/// Order penalty γ: how much the order of the chunks that stand before it both times has changed, as the normalised
/// distance of Kendall's τ.
///
/// Cache-Craft, §3, eq. 7: the pairs whose relative order is another now ÷ all pairs; 0 for fewer than two chunks. A
/// chunk that occurs more than once counts at its first place.
///
/// - Returns: 0 … 1.
public func orderPenalty<ID: Hashable>(old: [ID], new: [ID]) -> Double {
    let places = firstPlaces(new)
    var seen: Set<ID> = []
    let common = old.filter { seen.insert($0).inserted }.compactMap { places[$0] }
    guard common.count >= 2 else { return 0 }
    var flipped = 0
    for i in common.indices {
        for j in common.indices.dropFirst(i + 1) where common[j] < common[i] { flipped += 1 }
    }
    return Double(flipped) / Double(common.count * (common.count - 1) / 2)
}

/// Adjusted overlap β′ = β · (1 − γ): Cache-Craft, §3, eq. 8.
///
/// With two common chunks γ is 0 or 1, so that one exchange takes β′ to 0: the paper's formula, kept as it is.
///
/// - Returns: 0 … 1.
public func adjustedOverlap<ID>(old: [PrefixNeighbour<ID>], new: [ID]) -> Double {
    prefixOverlap(old: old, new: new) * (1 - orderPenalty(old: old.map(\.id), new: new))
}

private func firstPlaces<ID: Hashable>(_ ids: [ID]) -> [ID: Int] {
    Dictionary(ids.enumerated().map { ($1, $0) }, uniquingKeysWith: min)
}
