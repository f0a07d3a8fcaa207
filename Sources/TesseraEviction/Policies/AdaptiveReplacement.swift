// SPDX-License-Identifier: Apache-2.0

/// ARC (Megiddo and Modha, FAST 2003, Fig. 4): a list of what was asked for once and one of what was asked for more often
/// share the bytes, and the keys that lately left either tell which of them should have more.
///
/// Deviation: the paper's pages have one size. Here all lengths are bytes, the target moves by the size of the object
/// that came back times the paper's ratio, and of the remembered keys as many are dropped as bytes demand. With objects
/// of size 1 it is the paper's.
struct AdaptiveReplacement: EvictionPolicy {
    private enum Place {
        static let once = 0
        static let often = 1
        static let goneOnce = 2
        static let goneOften = 3
    }

    private var queues = ObjectQueues<Void>(4)
    private var capacity: Int
    /// The paper's p: the bytes that objects asked for once should have.
    private var target = 0.0
    private var returning = ReturningObjects()

    init(_ settings: PolicySettings) {
        capacity = settings.capacity
    }

    mutating func resize(to capacity: Int) {
        self.capacity = capacity
        target = min(target, Double(capacity))
        queues.trim(Place.goneOnce, to: capacity)
        queues.trim(Place.goneOften, to: capacity)
    }

    mutating func hit(_ object: CachedObject, at time: Double) {
        if let slot = queues.find(object.key) { queues.move(slot, to: Place.often) }
    }

    mutating func miss(_ object: CachedObject, at time: Double) -> Bool {
        returning.take(object.key)
        guard let slot = queues.find(object.key) else { return true }
        let place = queues.queue(slot)
        let (once, often) = (Double(queues.bytes(Place.goneOnce)), Double(queues.bytes(Place.goneOften)))
        if place == Place.goneOnce {
            target = min(target + Double(object.bytes) * max(often / max(once, 1), 1), Double(capacity))
        } else if place == Place.goneOften {
            target = max(target - Double(object.bytes) * max(once / max(often, 1), 1), 0)
        } else {
            return true
        }
        queues.remove(slot)
        returning.note(object.key, from: place)
        return true
    }

    mutating func insert(_ object: CachedObject, at time: Double) {
        if let slot = queues.find(object.key) { queues.remove(slot) }
        let place = returning.take(object.key) == nil ? Place.once : Place.often
        queues.add(object.key, bytes: object.bytes, mark: (), to: place)
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = queues.find(key) { queues.remove(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        let place = returning.place(of: incoming?.key)
        guard let incoming, place == nil else { return replace(for: place, sparing: isSpared) }
        // The paper's case IV: a key that no list knows.
        let once = queues.bytes(Place.once) + queues.bytes(Place.goneOnce)
        if once + incoming.bytes > capacity {
            guard let gone = queues.oldest(Place.goneOnce) else {
                // There is nothing to remember the oldest in the place of.
                if let slot = queues.oldest(Place.once, sparing: isSpared) { return queues.evict(slot) }
                return replace(for: nil, sparing: isSpared)
            }
            queues.remove(gone)
        } else if once + queues.bytes(Place.often) + queues.bytes(Place.goneOften) >= 2 * capacity,
            let gone = queues.oldest(Place.goneOften)
        {
            queues.remove(gone)
        }
        return replace(for: nil, sparing: isSpared)
    }

    /// The paper's REPLACE, for an object that was remembered in a place or is new.
    private mutating func replace(for returning: Int?, sparing isSpared: (ObjectKey) -> Bool) -> Victim? {
        let once = Double(queues.bytes(Place.once))
        let isPastTarget = once > target || (once == target && returning == Place.goneOften)
        let first = once > 0 && isPastTarget || queues.count(Place.often) == 0 ? Place.once : Place.often
        for place in [first, Place.once + Place.often - first] {
            guard let slot = queues.oldest(place, sparing: isSpared) else { continue }
            queues.move(slot, to: place + 2)
            let key = queues.key(slot)
            bound(place + 2)
            return .evict(key)
        }
        return nil
    }

    /// Keeps what is remembered within the paper's bounds, which objects of unequal sizes could surpass.
    private mutating func bound(_ place: Int) {
        queues.trim(place, to: capacity)
    }
}
