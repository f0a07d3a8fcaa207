// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// W-TinyLFU (Einziger, Friedman and Manes, ACM TOS 2017, §4): newcomers wait in a window of a hundredth of the bytes
/// under LRU; one that leaves it comes into the main part, a segmented LRU with four fifths of its bytes protected, only
/// if a sketch has seen it more often than what it would replace.
///
/// Deviation, as in Caffeine: a newcomer that was seen often wins one tie in 128, or one with full counters on both sides
/// would never come in.
struct WTinyLFU: EvictionPolicy {
    private enum Place {
        static let window = 0
        static let probation = 1
        static let protected = 2
    }

    /// From this frequency on ties are decided by lot.
    private static let known = 6

    private var queues = ObjectQueues<Void>(3)
    private var sketch = FrequencySketch()
    private var random: SplitMix64
    private var capacity: Int

    init(_ settings: PolicySettings) {
        capacity = settings.capacity
        random = SplitMix64(seed: settings.seed)
    }

    private var windowBytes: Int { capacity / 100 }
    private var protectedBytes: Int { (capacity - windowBytes) * 4 / 5 }

    mutating func resize(to capacity: Int) {
        self.capacity = capacity
    }

    mutating func hit(_ object: CachedObject, at time: Double) {
        sketch.add(object.key, holding: queues.count)
        guard let slot = queues.find(object.key) else { return }
        guard queues.queue(slot) != Place.window else { return queues.move(slot, to: Place.window) }
        queues.move(slot, to: Place.protected)
        while queues.bytes(Place.protected) > protectedBytes, let oldest = queues.oldest(Place.protected) {
            queues.move(oldest, to: Place.probation)
            if oldest == slot { break }
        }
    }

    mutating func miss(_ object: CachedObject, at time: Double) -> Bool {
        sketch.add(object.key, holding: queues.count)
        return true
    }

    mutating func insert(_ object: CachedObject, at time: Double) {
        queues.add(object.key, bytes: object.bytes, mark: (), to: Place.window)
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = queues.find(key) { queues.remove(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        let coming = incoming?.bytes ?? 0
        // A newcomer that is larger than the window has it for itself, and the main part the rest.
        let windowBytes = max(windowBytes, coming)
        let mainBytes = capacity - windowBytes
        while queues.bytes(Place.window) + coming > windowBytes,
            let candidate = queues.oldest(Place.window, sparing: isSpared)
        {
            let main = queues.bytes(Place.probation) + queues.bytes(Place.protected)
            if main + queues.bytes(candidate) <= mainBytes {
                queues.move(candidate, to: Place.probation)
                continue
            }
            guard let rival = rival(isSpared) else { return queues.evict(candidate) }
            return queues.evict(isAdmitted(queues.key(candidate), over: queues.key(rival)) ? rival : candidate)
        }
        return (rival(isSpared) ?? queues.oldest(Place.window, sparing: isSpared)).map { queues.evict($0) }
    }

    /// Who leaves the main part next.
    private func rival(_ isSpared: (ObjectKey) -> Bool) -> ObjectQueues<Void>.Slot? {
        queues.oldest(Place.probation, sparing: isSpared) ?? queues.oldest(Place.protected, sparing: isSpared)
    }

    private mutating func isAdmitted(_ candidate: ObjectKey, over rival: ObjectKey) -> Bool {
        let (candidate, rival) = (sketch.frequency(of: candidate), sketch.frequency(of: rival))
        guard candidate <= rival else { return true }
        return candidate >= Self.known && random.next() & 127 == 0
    }
}
