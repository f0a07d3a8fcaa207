// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Cache-Craft's frequency × reusability over stored variants (Agarwal et al., SIGMOD 2025, §3.4): gives up the KV that
/// was used least, each use weighted by how little it took to fix.
///
/// The re-implementations read it as adding 1 ÷ CFO at each use. Deviations: CFO, which is the share that a use pays, counts
/// as at least 0.05, or one perfect fit would outweigh everything for ever; and the sum halves every thousand uses, or old
/// favourites would never leave. Coming in counts as a use that fixed everything.
struct CacheCraft: EvictionPolicy {
    /// The uses of the whole cache after which a past use counts half.
    static let halfLife = 1000.0
    /// The least fix overhead that a use is counted with.
    static let leastOverhead = 0.05

    private var objects = RankedObjects<Void>()
    private var uses = 0.0

    init(_ settings: PolicySettings) {}

    mutating func hit(_ object: CachedObject, at time: Double) {
        uses += 1
        guard let slot = objects.find(object.key) else { return }
        objects.rank(slot, Self.sum(objects.rank(slot), usedAt: uses, overhead: object.share))
    }

    mutating func insert(_ object: CachedObject, at time: Double) {
        uses += 1
        objects.add(object.key, mark: (), rank: Self.sum(-.infinity, usedAt: uses, overhead: 1))
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = objects.find(key) { objects.remove(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        objects.lowest(sparing: isSpared).map { objects.evict($0) }
    }

    /// The halving sum after one more use, as a logarithm to the base 2 that is scaled to the time 0: so values of
    /// different times compare without being brought up to date, and never overflow.
    static func sum(_ before: Double, usedAt time: Double, overhead: Double) -> Double {
        let use = time / halfLife - log2(min(1, max(leastOverhead, overhead)))
        let (low, high) = (min(before, use), max(before, use))
        return high + log2(1 + exp2(low - high))
    }
}
