// SPDX-License-Identifier: Apache-2.0

/// 2Q, full version (Johnson and Shasha, VLDB 1994, §3): newcomers pass through a queue of a quarter of the bytes, and
/// only those that are asked for again after they left it come under LRU. The keys of what left are remembered for half
/// of the bytes.
struct TwoQueue: EvictionPolicy {
    private enum Place {
        static let incoming = 0
        static let main = 1
        static let gone = 2
    }

    private var queues = ObjectQueues<Void>(3)
    private var incomingBytes: Int
    private var goneBytes: Int
    private var returning = ReturningObjects()

    init(_ settings: PolicySettings) {
        (incomingBytes, goneBytes) = Self.shares(of: settings.capacity)
    }

    mutating func resize(to capacity: Int) {
        (incomingBytes, goneBytes) = Self.shares(of: capacity)
        queues.trim(Place.gone, to: goneBytes)
    }

    private static func shares(of capacity: Int) -> (Int, Int) { (capacity / 4, capacity / 2) }

    mutating func hit(_ object: CachedObject, at time: Double) {
        guard let slot = queues.find(object.key), queues.queue(slot) == Place.main else { return }
        queues.move(slot, to: Place.main)
    }

    mutating func miss(_ object: CachedObject, at time: Double) -> Bool {
        returning.take(object.key)
        if let slot = queues.find(object.key), queues.queue(slot) == Place.gone {
            queues.remove(slot)
            returning.note(object.key, from: Place.gone)
        }
        return true
    }

    mutating func insert(_ object: CachedObject, at time: Double) {
        if let slot = queues.find(object.key) { queues.remove(slot) }
        let place = returning.take(object.key) == nil ? Place.incoming : Place.main
        queues.add(object.key, bytes: object.bytes, mark: (), to: place)
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = queues.find(key) { queues.remove(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        let first = queues.bytes(Place.incoming) > incomingBytes ? Place.incoming : Place.main
        for place in [first, Place.incoming + Place.main - first] {
            guard let slot = queues.oldest(place, sparing: isSpared) else { continue }
            guard place == Place.incoming else { return queues.evict(slot) }
            queues.move(slot, to: Place.gone)
            let key = queues.key(slot)
            queues.trim(Place.gone, to: goneBytes)
            return .evict(key)
        }
        return nil
    }
}
