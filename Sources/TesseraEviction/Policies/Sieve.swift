// SPDX-License-Identifier: Apache-2.0

/// SIEVE (Zhang et al., NSDI 2024, §3): a hand goes from the oldest object to the newest, clears the bits of those that
/// were used and gives up the first that was not. Unlike ``Clock``, survivors keep their places.
struct Sieve: EvictionPolicy {
    private var queues = ObjectQueues<Bool>(1)
    private var hand: ObjectQueues<Bool>.Slot?

    init(_ settings: PolicySettings) {}

    mutating func hit(_ object: CachedObject, at time: Double) {
        if let slot = queues.find(object.key) { queues[slot] = true }
    }

    mutating func insert(_ object: CachedObject, at time: Double) {
        queues.add(object.key, bytes: object.bytes, mark: false, to: 0)
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = queues.find(key) { take(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        // The part of a round that is left, a round that clears bits, and one that finds them cleared.
        for _ in 0..<(3 * queues.count) {
            guard let slot = hand ?? queues.oldest(0) else { break }
            if !isSpared(queues.key(slot)) {
                guard queues[slot] else {
                    let key = queues.key(slot)
                    take(slot)
                    return .evict(key)
                }
                queues[slot] = false
            }
            hand = queues.newer(slot)
        }
        return nil
    }

    /// Takes an object out; a hand at it goes on to the next.
    private mutating func take(_ slot: ObjectQueues<Bool>.Slot) {
        if hand == slot || (hand == nil && queues.oldest(0) == slot) { hand = queues.newer(slot) }
        queues.remove(slot)
    }
}
