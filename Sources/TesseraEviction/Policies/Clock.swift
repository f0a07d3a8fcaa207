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
        // In two rounds every object that is not spared was met without its bit.
        for _ in 0..<(2 * queues.count) {
            guard let slot = queues.oldest(0) else { break }
            if isSpared(queues.key(slot)) {
                queues.move(slot, to: 0)
            } else if queues[slot] {
                queues[slot] = false
                queues.move(slot, to: 0)
            } else {
                return queues.evict(slot)
            }
        }
        return nil
    }
}
