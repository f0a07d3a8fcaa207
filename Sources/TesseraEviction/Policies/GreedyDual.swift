// SPDX-License-Identifier: Apache-2.0

/// GDSF (Cherkasova, HP Labs 1998; Cao and Irani, USITS 1997): gives up what has the least frequency × cost ÷ size, to
/// which the rank of the last victim is added at each use, so that what is not used falls behind.
///
/// With averages it is PGDSF as RAGCache has it (Jin et al., ACM TOCS 2024, §5.1): the cost is the mean over the uses of an
/// object, since what a use saves depends on what stands around it. Deviation: RAGCache keeps prefixes in a tree and gives
/// up leaves; chunks depend on no others, so any may leave.
struct GreedyDual: EvictionPolicy {
    private struct Uses {
        var count = 0.0
        var savings = 0.0
    }

    private var objects = RankedObjects<Uses>()
    private var age = 0.0
    private let averages: Bool

    init(_ settings: PolicySettings) {
        self.init(settings, averages: false)
    }

    init(_ settings: PolicySettings, averages: Bool) {
        self.averages = averages
    }

    mutating func hit(_ object: CachedObject, at time: Double) {
        guard let slot = objects.find(object.key) else { return }
        let uses = counted(object, objects[slot])
        objects[slot] = uses
        objects.rank(slot, rank(object, uses))
    }

    mutating func insert(_ object: CachedObject, at time: Double) {
        let uses = counted(object, Uses())
        objects.add(object.key, mark: uses, rank: rank(object, uses))
    }

    mutating func remove(_ key: ObjectKey) {
        if let slot = objects.find(key) { objects.remove(slot) }
    }

    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        guard let slot = objects.lowest(sparing: isSpared) else { return nil }
        age = max(age, objects.rank(slot))
        return objects.evict(slot)
    }

    private func counted(_ object: CachedObject, _ uses: Uses) -> Uses {
        Uses(count: uses.count + 1, savings: uses.savings + object.saving)
    }

    private func rank(_ object: CachedObject, _ uses: Uses) -> Double {
        let cost = averages ? uses.savings / uses.count : object.cost
        return age + uses.count * cost / Double(max(1, object.bytes))
    }
}
