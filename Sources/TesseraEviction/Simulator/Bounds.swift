// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// What policies are measured against: Belady's choice, which knows the future, and for sizes that differ a bound.
struct Bounds {
    let capacities: [Int]
    let survey: TraceSurvey
    /// What a smaller codec makes of objects: a hit takes at least those bytes then.
    let demotion: Demotion?

    func run(_ trace: some Trace) throws(TesseraError) -> [SimulationReport.Result] {
        let nextUses = try NextUses(trace.open())
        var source = try trace.open()
        var belady = capacities.map { Belady(capacity: $0) }
        var bounds = [SizeAwareBound(), SizeAwareBound(), SizeAwareBound()]
        var last: [ObjectKey: Int] = [:]
        var requests = 0
        while true {
            let batch = try source.next(Simulation.batch)
            guard !batch.isEmpty else { break }
            let next = try nextUses.next(batch.count)
            guard next.count == batch.count else {
                throw TesseraError(.io, "the trace grew while it was read")
            }
            for (request, nextUse) in zip(batch, next) {
                let object = request.object
                for place in belady.indices { belady[place].request(object, nextUse: nextUse) }
                let wait = last.updateValue(requests, forKey: object.key).map { requests - $0 }
                let bytes = demotion?.bytes(of: object.bytes) ?? object.bytes
                for (place, worth) in [1, Double(object.bytes), object.cost].enumerated() {
                    bounds[place].add(worth: worth, bytes: bytes, wait: wait)
                }
                requests += 1
            }
        }
        // With one size Belady's choice has the fewest misses there can be. Otherwise it is one more policy.
        let name = survey.isUniform && demotion == nil ? "belady" : "belady (no bound)"
        return zip(capacities, belady).map { SimulationReport.Result(policy: name, capacity: $0, $1.statistics) }
            + capacities.map { capacity in
                let shares = bounds.map { $0.share(capacity: capacity, requests: requests) }
                return SimulationReport.Result(
                    policy: "bound", capacity: capacity, missRatio: 1 - shares[0], byteMissRatio: 1 - shares[1],
                    timeSaved: shares[2])
            }
    }
}

/// Belady's MIN (IBM Systems Journal 5(2), 1966): gives up what is asked for latest, and does not take in what is asked for
/// later than all that is held.
struct Belady {
    private(set) var statistics = CacheStatistics()
    private let capacity: Int
    private var used = 0
    /// By the next use, the latest in front.
    private var objects = RankedObjects<Int>()

    init(capacity: Int) {
        self.capacity = capacity
    }

    mutating func request(_ object: CachedObject, nextUse: UInt64) {
        let isNeverUsed = nextUse == NextUses.never
        let rank = isNeverUsed ? -Double.infinity : -Double(nextUse)
        statistics.requestedBytes.add(object.bytes)
        statistics.requestedCost += object.cost
        if let slot = objects.find(object.key), objects[slot] == object.bytes {
            statistics.hits += 1
            statistics.hitBytes.add(object.bytes)
            statistics.savedCost += object.saving
            objects.rank(slot, rank)
            return
        }
        statistics.misses += 1
        if let slot = objects.find(object.key) { remove(slot) }
        guard !isNeverUsed, object.bytes <= capacity else { return }
        while used + object.bytes > capacity, let latest = objects.lowest {
            guard objects.rank(latest) < rank else { return }
            remove(latest)
            statistics.evictions += 1
        }
        objects.add(object.key, mark: object.bytes, rank: rank)
        used += object.bytes
    }

    private mutating func remove(_ slot: RankedObjects<Int>.Slot) {
        used -= objects[slot]
        objects.remove(slot)
    }
}
