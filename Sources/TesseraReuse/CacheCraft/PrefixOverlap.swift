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

/// The chunks that stand before a chunk now: where each of them stands first.
public struct PrefixPlaces<ID: Hashable & Sendable>: Sendable, ExpressibleByArrayLiteral {
    private let places: [ID: Int]

    /// Takes down some chunks in their order.
    public init(_ ids: [ID]) {
        places = Dictionary(zip(ids, 0...), uniquingKeysWith: min)
    }

    /// Takes down some chunks in their order.
    public init(arrayLiteral ids: ID...) {
        self.init(ids)
    }

    /// Whether no chunk stands there.
    var isEmpty: Bool { places.isEmpty }

    /// Where a chunk stands first; nil where it does not.
    subscript(_ id: ID) -> Int? { places[id] }
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
public func prefixOverlap<ID>(old: [PrefixNeighbour<ID>], new: PrefixPlaces<ID>) -> Double {
    guard !old.isEmpty else { return new.isEmpty ? 1 : 0 }
    let all = old.reduce(0) { $0 + $1.inter }
    guard all > 0 else { return 1 }
    let kept = old.reduce(0) { new[$1.id] == nil ? $0 : $0 + $1.inter }
    return min(1, kept / all)
}

/// Order penalty γ: how much the order of the chunks that stand before it both times has changed, as the normalised
/// distance of Kendall's τ.
///
/// Cache-Craft, §3, eq. 7: the pairs whose relative order is another now ÷ all pairs; 0 for fewer than two chunks. A
/// chunk that occurs more than once counts at its first place.
///
/// - Returns: 0 … 1.
public func orderPenalty<ID>(old: [ID], new: PrefixPlaces<ID>) -> Double {
    var common: [Int] = []
    // A place that is there already is that of a chunk that occurs again.
    for place in old.compactMap({ new[$0] }) where !common.contains(place) { common.append(place) }
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
public func adjustedOverlap(_ overlap: Double, orderPenalty: Double) -> Double {
    overlap * (1 - orderPenalty)
}
