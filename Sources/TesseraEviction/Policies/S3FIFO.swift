// SPDX-License-Identifier: Apache-2.0

/// S3-FIFO (Yang et al., SOSP 2023, §4): a small queue for newcomers, which most leave soon, a main queue with second
/// chances for what was used while it was there, and the keys of what left the small one.
///
/// The small queue has a tenth of the bytes, the keys nine tenths; two uses lead on to the main queue. While nothing had to
/// leave yet, what the small queue has no room for goes to the main one, as in libCacheSim. Deviation: what is larger than
/// the small queue goes to the main queue at once, or it could never be held.
struct S3FIFO: EvictionPolicy {
    private enum Place {
        static let small = 0
        static let main = 1
        static let gone = 2
    }

    /// Uses while in the small queue that lead to the main one.
    private static let promotion: UInt8 = 2
    /// Uses that are counted.
    private static let limit: UInt8 = 3

    private var queues = ObjectQueues<UInt8>(3)
    private var capacity: Int
    private var returning = ReturningObjects()
    private var isFilling = true

    init(_ settings: PolicySettings) {
        capacity = settings.capacity
    }

    private var smallBytes: Int { capacity / 10 }
    private var mainBytes: Int { capacity - smallBytes }
    private var goneBytes: Int { Int(Double(capacity) * 0.9) }

    mutating func resize(to capacity: Int) {
        self.capacity = capacity
        queues.trim(Place.gone, to: goneBytes)
    }

    mutating func hit(_ object: CachedObject, at time: Double) {
        guard let slot = queues.find(object.key) else { return }
        queues[slot] = min(Self.limit, queues[slot] + 1)
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
        let isSmallFull = isFilling && queues.bytes(Place.small) >= smallBytes
        let skipsSmall = returning.take(object.key) != nil || object.bytes >= smallBytes || isSmallFull
        queues.add(object.key, bytes: object.bytes, mark: 0, to: skipsSmall ? Place.main : Place.small)
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = queues.find(key) { queues.remove(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        isFilling = false
        let isMainFull = queues.bytes(Place.main) > mainBytes || queues.count(Place.small) == 0
        if isMainFull, let victim = fromMain(isSpared) { return victim }
        // What moves on from the small queue may be the only one that can leave.
        return fromSmall(isSpared) ?? fromMain(isSpared)
    }

    private mutating func fromSmall(_ isSpared: (ObjectKey) -> Bool) -> Victim? {
        var next = queues.oldest(Place.small)
        while let slot = next {
            next = queues.newer(slot)
            let key = queues.key(slot)
            if queues[slot] >= Self.promotion {
                queues[slot] = 0
                queues.move(slot, to: Place.main)
            } else if !isSpared(key) {
                queues.move(slot, to: Place.gone)
                queues.trim(Place.gone, to: goneBytes)
                return .evict(key)
            }
        }
        return nil
    }

    private mutating func fromMain(_ isSpared: (ObjectKey) -> Bool) -> Victim? {
        // Every visit takes a use off, and what is spared keeps its place.
        var next = queues.oldest(Place.main)
        while let slot = next {
            next = queues.newer(slot)
            guard !isSpared(queues.key(slot)) else { continue }
            guard queues[slot] > 0 else { return queues.evict(slot) }
            queues[slot] -= 1
            queues.move(slot, to: Place.main)
            next = next ?? slot
        }
        return nil
    }
}
