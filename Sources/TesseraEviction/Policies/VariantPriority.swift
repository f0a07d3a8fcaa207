// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// How much a stored variant is worth keeping: how often it was used, weighted by how little it took to fix.
///
/// Cache-Craft (Agarwal et al., SIGMOD 2025), §3.4: frequency × reusability, which the re-implementations read as
/// adding 1 ÷ CFO at each use. Two deviations: CFO counts as at least 0.05, or one perfect fit would outweigh everything
/// for ever, and the sum halves every ``halfLife`` uses of the store, or old favourites would never leave.
package struct VariantPriority: Sendable, Equatable {
    /// The uses of the whole store after which a past use counts half.
    package static let halfLife = 1000.0
    /// The least overhead that a use is counted with.
    package static let leastOverhead = 0.05

    /// The logarithm of the sum to the base 2, brought to the time 0: so priorities of different times compare without being
    /// brought up to date.
    package private(set) var rank = -Double.infinity

    /// Nothing used yet.
    package init() {}

    init(rank: Double) {
        self.rank = rank
    }

    /// Counts a use.
    ///
    /// - Parameters:
    ///   - overhead: The variant's fix overhead in this use, Cache-Craft's CFO at α = 1.
    ///   - time: Uses of the store so far.
    package mutating func use(overhead: Double, at time: Double) {
        let use = time / Self.halfLife - log2(max(Self.leastOverhead, overhead))
        let (low, high) = (min(rank, use), max(rank, use))
        rank = high + log2(1 + exp2(low - high))
    }

    /// The priority at a time; the lowest leaves first.
    package func value(at time: Double) -> Double {
        exp2(rank - time / Self.halfLife)
    }
}
