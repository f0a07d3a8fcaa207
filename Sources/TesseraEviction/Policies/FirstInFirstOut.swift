// SPDX-License-Identifier: Apache-2.0

/// Gives up what came in first.
struct FirstInFirstOut: EvictionPolicy {
    private var queues = ObjectQueues<Void>(1)

    init(_ settings: PolicySettings) {}

    mutating func insert(_ object: CachedObject, at time: Double) {
        queues.add(object.key, bytes: object.bytes, mark: (), to: 0)
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = queues.find(key) { queues.remove(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        queues.oldest(0, sparing: isSpared).map { queues.evict($0) }
    }
}

extension ObjectQueues {
    /// Takes an object out as a victim.
    mutating func evict(_ slot: Slot) -> Victim {
        let key = key(slot)
        remove(slot)
        return .evict(key)
    }
}
