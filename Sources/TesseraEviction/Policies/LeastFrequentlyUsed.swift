// SPDX-License-Identifier: Apache-2.0

/// Gives up what was used least often since it came in, and of equals what reached its count first.
///
/// With ageing (LFU with dynamic ageing; Arlitt et al., Performance Evaluation Review 27(4), 2000, §2.1) the count of an
/// object begins at the count of the last victim, so that favourites of the past don't stay for ever.
struct LeastFrequentlyUsed: EvictionPolicy {
    private var objects = RankedObjects<Void>()
    private var age = 0.0
    private let isAgeing: Bool

    init(_ settings: PolicySettings) {
        self.init(settings, isAgeing: false)
    }

    init(_ settings: PolicySettings, isAgeing: Bool) {
        self.isAgeing = isAgeing
    }

    mutating func hit(_ object: CachedObject, at time: Double) {
        if let slot = objects.find(object.key) { objects.rank(slot, objects.rank(slot) + 1) }
    }

    mutating func insert(_ object: CachedObject, at time: Double) {
        objects.add(object.key, mark: (), rank: age + 1)
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = objects.find(key) { objects.remove(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        guard let slot = objects.lowest(sparing: isSpared) else { return nil }
        if isAgeing { age = max(age, objects.rank(slot)) }
        return objects.evict(slot)
    }
}

extension RankedObjects {
    /// Takes an object out as a victim.
    mutating func evict(_ slot: Slot) -> Victim {
        let key = key(slot)
        remove(slot)
        return .evict(key)
    }
}
