// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Tessera's own: gives up what loses the least computation time for the bytes that it frees.
///
/// An object's value is how often it will be asked for (``ReuseModel``), times the time that a use saves: what computing it
/// takes, less the share that is computed anew to repair it. Among objects drawn by lot, that leaves which has the least
/// value per byte. Where a smaller codec is at hand, demoting an object loses ``Demotion/loss`` of its value for the bytes
/// that the codec saves; whichever loses less for a byte is done. What is asked for and worth less per byte than what would
/// have to leave for it, by a margin, is not taken in.
///
/// The keys and histories of objects that left are remembered, for four times as many as are held and 8,192 at least. Drawing by lot, as Redis
/// and LHD (Beckmann, Chen and Cidon, NSDI 2018) do, spares an order of all objects, which here changes with every
/// request.
struct ValuePerByte: EvictionPolicy {
    private struct Known: Sendable {
        var history = ReuseModel.History()
        /// What a use saves, averaged over the last uses.
        var saving: Double
        var uses = 1.0
        /// The bytes while in full; a demoted object has fewer.
        var bytes: Int
        var isDemoted = false
        var isDemotable = true
        /// Its place among those that are held.
        var place = -1
    }

    private enum Place {
        static let held = 0
        static let gone = 1
    }

    private typealias Slot = ObjectQueues<Known>.Slot

    /// Objects that are drawn for a choice; of up to twice as many all are looked at.
    private static let draws = 64
    /// The least number of remembered objects: a megabyte or so.
    private static let leastGone = 8192
    /// How much more a newcomer has to be worth than what leaves for it. Taking it in costs a write, and where all are worth
    /// about the same, as in a loop, it pays to keep what is there.
    private static let margin = 1.3
    /// Uses over which a saving is averaged.
    private static let averagedUses = 8.0

    private var objects = ObjectQueues<Known>(2)
    private var held: ContiguousArray<Slot> = []
    private var model = ReuseModel()
    private var random: SplitMix64
    private var capacity: Int
    private let demotion: Demotion?

    init(_ settings: PolicySettings) {
        capacity = settings.capacity
        demotion = settings.demotion
        random = SplitMix64(seed: settings.seed)
    }

    mutating func resize(to capacity: Int) {
        self.capacity = capacity
    }

    mutating func hit(_ object: CachedObject, at time: Double) {
        if let slot = objects.find(object.key) { count(object, slot) }
    }

    mutating func miss(_ object: CachedObject, at time: Double) -> Bool {
        let slot = objects.find(object.key) ?? remembered(object)
        count(object, slot)
        guard objects.bytes(Place.held) + object.bytes > capacity else { return true }
        let outlook = outlook
        guard let choice = choice(outlook, sparing: { _ in false }) else { return true }
        return value(slot, outlook) / Double(object.bytes) > choice.loss * Self.margin
    }

    mutating func insert(_ object: CachedObject, at time: Double) {
        let slot = objects.find(object.key) ?? remembered(object)
        objects.resize(slot, to: object.bytes)
        objects[slot].bytes = object.bytes
        objects[slot].isDemoted = false
        objects[slot].isDemotable = object.isDemotable
        objects.move(slot, to: Place.held)
        objects[slot].place = held.count
        held.append(slot)
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = objects.find(key), objects.queue(slot) == Place.held { release(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        guard let choice = choice(outlook, sparing: isSpared) else { return nil }
        let key = objects.key(choice.slot)
        guard let demotion, choice.demotes else {
            release(choice.slot)
            return .evict(key)
        }
        let bytes = demotion.bytes(of: objects[choice.slot].bytes)
        objects.resize(choice.slot, to: bytes)
        objects[choice.slot].isDemoted = true
        return .demote(key, bytes: bytes)
    }

    // MARK: Value

    /// The requests that lie ahead of a choice: as many as objects are held, in which all of them could be replaced.
    private var outlook: ReuseModel.Outlook { model.outlook(Double(max(Self.draws, held.count))) }

    private func value(_ slot: Slot, _ outlook: ReuseModel.Outlook) -> Double {
        outlook.reuses(objects[slot].history) * objects[slot].saving
    }

    private struct Choice {
        var slot: Slot
        /// Value lost for each byte that is freed.
        var loss: Double
        var demotes: Bool
    }

    private mutating func choice(
        _ outlook: ReuseModel.Outlook, sparing isSpared: (ObjectKey) -> Bool
    ) -> Choice? {
        // In a copy, so that the search is no mutation and needs no copy of everything else.
        var random = random
        defer { self.random = random }
        return best(outlook, &random, isSpared)
    }

    private func best(
        _ outlook: ReuseModel.Outlook, _ random: inout SplitMix64, _ isSpared: (ObjectKey) -> Bool
    ) -> Choice? {
        var best: Choice?
        if held.count > 2 * Self.draws {
            for _ in 0..<Self.draws { consider(held[random.below(held.count)], outlook, isSpared, &best) }
        }
        // Few objects, or all that were drawn are spared.
        if best == nil {
            for slot in held { consider(slot, outlook, isSpared, &best) }
        }
        return best
    }

    private func consider(
        _ slot: Slot, _ outlook: ReuseModel.Outlook, _ isSpared: (ObjectKey) -> Bool, _ best: inout Choice?
    ) {
        var value = value(slot, outlook)
        let bytes = objects.bytes(slot)
        if objects[slot].isDemoted {
            value *= 1 - (demotion?.loss ?? 0)
        } else if let demotion, objects[slot].isDemotable, demotion.bytes(of: bytes) < bytes {
            let loss = value * demotion.loss / Double(bytes - demotion.bytes(of: bytes))
            if loss < best?.loss ?? .infinity, loss < value / Double(bytes), !isSpared(objects.key(slot)) {
                best = Choice(slot: slot, loss: loss, demotes: true)
            }
        }
        let loss = value / Double(max(1, bytes))
        if loss < best?.loss ?? .infinity, !isSpared(objects.key(slot)) {
            best = Choice(slot: slot, loss: loss, demotes: false)
        }
    }

    // MARK: What is known

    private mutating func count(_ object: CachedObject, _ slot: Slot) {
        model.request(&objects[slot].history)
        let uses = objects[slot].uses
        objects[slot].saving += (object.saving - objects[slot].saving) / uses
        objects[slot].uses = min(Self.averagedUses, uses + 1)
        if objects.queue(slot) == Place.gone { objects.move(slot, to: Place.gone) }
    }

    /// Remembers an object that is not held.
    private mutating func remembered(_ object: CachedObject) -> Slot {
        makeRoomToRemember()
        return objects.add(
            object.key, bytes: object.bytes, mark: Known(saving: object.saving, bytes: object.bytes), to: Place.gone)
    }

    private mutating func release(_ slot: Slot) {
        let place = objects[slot].place
        objects[slot].place = -1
        let last = held.removeLast()
        if place < held.count {
            held[place] = last
            objects[last].place = place
        }
        makeRoomToRemember()
        objects.move(slot, to: Place.gone)
    }

    private mutating func makeRoomToRemember() {
        while objects.count(Place.gone) >= max(Self.leastGone, 4 * held.count),
            let oldest = objects.oldest(Place.gone)
        {
            model.forget(objects[oldest].history)
            objects.remove(oldest)
        }
    }
}
