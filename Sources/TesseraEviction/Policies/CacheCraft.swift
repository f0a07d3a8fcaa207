// SPDX-License-Identifier: Apache-2.0

/// Cache-Craft's frequency × reusability over stored variants: gives up the KV of the lowest ``VariantPriority``. The share
/// that a use pays is its fix overhead. Coming in counts as a use that fixed everything.
struct CacheCraft: EvictionPolicy {
    private var objects = RankedObjects<Void>()
    private var uses = 0.0

    init(_ settings: PolicySettings) {}

    mutating func hit(_ object: CachedObject, at time: Double) {
        uses += 1
        guard let slot = objects.find(object.key) else { return }
        var priority = VariantPriority(rank: objects.rank(slot))
        priority.use(overhead: object.share, at: uses)
        objects.rank(slot, priority.rank)
    }

    mutating func insert(_ object: CachedObject, at time: Double) {
        uses += 1
        var priority = VariantPriority()
        priority.use(overhead: 1, at: uses)
        objects.add(object.key, mark: (), rank: priority.rank)
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = objects.find(key) { objects.remove(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        objects.lowest(sparing: isSpared).map { objects.evict($0) }
    }
}
