// SPDX-License-Identifier: Apache-2.0

/// First in, first out, with a second chance for what was used since it was last looked at (Corbató, 1968): one bit an
/// object in the place of LRU's order.
struct Clock: EvictionPolicy {
    private var queues = ObjectQueues<Bool>(1)

    init(_ settings: PolicySettings) {}

    mutating func hit(_ object: CachedObject, at time: Double) {
        if let slot = queues.find(object.key) { queues[slot] = true }
    }

    mutating func insert(_ object: CachedObject, at time: Double) {
        queues.add(object.key, bytes: object.bytes, mark: false, to: 0)
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = queues.find(key) { queues.remove(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        // What is spared keeps its place.
        var next = queues.oldest(0)
        while let slot = next {
            next = queues.newer(slot)
            guard !isSpared(queues.key(slot)) else { continue }
            guard queues[slot] else { return queues.evict(slot) }
            queues[slot] = false
            queues.move(slot, to: 0)
            next = next ?? slot
        }
        return nil
    }
}
