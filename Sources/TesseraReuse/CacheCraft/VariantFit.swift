// SPDX-License-Identifier: Apache-2.0

/// How well a stored variant of a chunk fits the place where the chunk stands now.
public struct VariantFit: Sendable, Hashable {
    /// β: ``prefixOverlap(old:new:)``.
    public var overlap: Double
    /// γ: ``orderPenalty(old:new:)``.
    public var orderPenalty: Double
    /// CCI: ``contextImpact(outside:inside:)``; 1, its most, where nothing was measured.
    public var impact: Double

    /// β′: ``adjustedOverlap(_:orderPenalty:)``.
    public var adjustedOverlap: Double { TesseraReuse.adjustedOverlap(overlap, orderPenalty: orderPenalty) }

    /// Whether most of what coloured the variant stands before the chunk again, β′ ≥ ½: below, KV that was encoded alone
    /// is nearer to what it has to become. Not in the paper, which knows no such KV.
    public var isFamiliar: Bool { adjustedOverlap >= 0.5 }

    /// CFO at α = 1: the share of the chunk's tokens to compute anew.
    public var overhead: Double { fixOverhead(alpha: 1, impact: impact, overlap: adjustedOverlap) }

    /// The fit of a variant that was captured behind other chunks.
    ///
    /// - Parameters:
    ///   - old: The chunks that it was captured behind.
    ///   - impact: Its CCI.
    ///   - new: The chunks that stand before it now.
    public init<ID>(old: [PrefixNeighbour<ID>], impact: Double, new: PrefixPlaces<ID>) {
        overlap = prefixOverlap(old: old, new: new)
        orderPenalty = TesseraReuse.orderPenalty(old: old.map(\.id), new: new)
        self.impact = impact
    }

    /// The fit of a variant that was encoded alone.
    ///
    /// - Parameters:
    ///   - isFirst: Whether no chunk stands before it now.
    ///   - impact: The chunk's CCI, as its other variants tell it; 1 where nothing does.
    public init(isolatedFirst isFirst: Bool, impact: Double = 1) {
        (overlap, orderPenalty, self.impact) = (isFirst ? 1 : 0, 0, impact)
    }
}
