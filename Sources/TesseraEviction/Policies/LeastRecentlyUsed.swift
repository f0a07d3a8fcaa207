// SPDX-License-Identifier: Apache-2.0

/// Gives up what was not used for longest.
struct LeastRecentlyUsed: EvictionPolicy {
    private var queues = ObjectQueues<Void>(1)

    init(_ settings: PolicySettings) {}

    mutating func hit(_ object: CachedObject, at time: Double) {
        if let slot = queues.find(object.key) { queues.move(slot, to: 0) }
    }

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
