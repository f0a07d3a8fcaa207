// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// How much a stored variant is worth keeping: how often it was used, weighted by how little it took to fix.
///
/// Cache-Craft (Agarwal et al., SIGMOD 2025), §3.4: frequency × reusability, which the re-implementations read as
/// adding 1 ÷ CFO at each use. Two deviations: CFO counts as at least 0.05, or one perfect fit would outweigh everything
/// for ever, and the sum halves every ``halfLife`` uses of the store, or old favourites would never leave.
public struct VariantPriority: Sendable, Equatable {
    /// The uses of the whole store after which a past use counts half.
    public static let halfLife = 1000.0
    /// The least overhead that a use is counted with.
    public static let leastOverhead = 0.05

    private var value = 0.0
    private var time = 0.0

    /// Nothing used yet.
    public init() {}

    /// Counts a use.
    ///
    /// - Parameters:
    ///   - overhead: The variant's fix overhead in this use (``fixOverhead(alpha:impact:overlap:)`` at α = 1).
    ///   - time: Uses of the store so far.
    public mutating func use(overhead: Double, at time: Double) {
        value = self.value(at: time) + 1 / max(Self.leastOverhead, overhead)
        self.time = time
    }

    /// The priority at a time; the lowest leaves first.
    public func value(at time: Double) -> Double {
        value * exp2(-max(0, time - self.time) / Self.halfLife)
    }
}
