// SPDX-License-Identifier: Apache-2.0

public import TesseraEviction
internal import TesseraKV

/// Checks that a policy does what a cache relies on, over sequences of steps by chance, and cuts a sequence that fails
/// down to a short one.
///
/// ```swift
/// @Test func conforms() throws {
///     try PolicyConformance().check(PolicyKind("mine", "my own") { MyPolicy($0) })
/// }
/// ```
///
/// It finds out about ``PolicyFailure/Rule``. The seeds are the same in every run, so a failure comes again.
public struct PolicyConformance: Sendable {
    /// Sequences at each capacity.
    public var sequences: Int
    /// Steps of each sequence.
    public var steps: Int
    /// Where chance begins.
    public var seed: UInt64
    /// The capacities in bytes; 0 and 1 among them.
    public var capacities = [0, 1, 2, 10, 100, 1000, 100_000]
    /// What a smaller codec makes of objects, in every second sequence.
    public var demotion = Demotion(size: 0.5, loss: 0.1)

    /// How much to try.
    public init(sequences: Int = 40, steps: Int = 400, seed: UInt64 = 1) {
        self.sequences = sequences
        self.steps = steps
        self.seed = seed
    }

    /// Tries a policy.
    ///
    /// - Throws: ``PolicyFailure``, the first one found.
    public func check(_ policy: PolicyKind) throws(PolicyFailure) {
        for capacity in capacities {
            var random = SplitMix64(seed: seed &+ UInt64(capacity))
            for number in 0..<sequences {
                let objects = [3, 12, 50, 300][number % 4]
                let trial = Trial(
                    policy: policy, capacity: capacity, seed: random.next(),
                    demotion: number % 2 == 0 ? nil : demotion)
                let steps = CacheStep.random(steps, capacity: capacity, objects: objects, &random)
                if let failure = trial.failure(of: steps) { throw trial.shrunk(failure) }
            }
        }
    }
}

/// A policy in a cache that steps are tried on.
struct Trial {
    let policy: PolicyKind
    let capacity: Int
    let seed: UInt64
    let demotion: Demotion?

    /// Requests in a row after which an object has to be held.
    private static let patience = 1000

    /// The first failure of a sequence; nil for none.
    func failure(of steps: [CacheStep]) -> PolicyFailure? {
        var cache = newCache()
        var trail: [Bool] = []
        for (number, step) in steps.enumerated() {
            perform(step, number, on: &cache)
            if let (rule, detail) = fault(of: cache) { return failed(rule, detail, Array(steps[...number])) }
            if case .request(let object, _) = step { trail.append(cache.holds(ObjectKey(UInt64(object)))) }
        }
        var again = newCache()
        var place = 0
        for (number, step) in steps.enumerated() {
            perform(step, number, on: &again)
            guard case .request(let object, _) = step else { continue }
            guard again.holds(ObjectKey(UInt64(object))) == trail[place] else {
                return failed(.isDeterministic, "a second run held other objects", Array(steps[...number]))
            }
            place += 1
        }
        return starvation(of: steps, in: cache)
    }

    /// Asks for a new object, small enough to fit, until it comes in.
    private func starvation(of steps: [CacheStep], in cache: CacheModel) -> PolicyFailure? {
        var cache = cache
        let free = cache.capacity - cache.sparedBytes
        guard free > 0 else { return nil }
        let newcomer = CachedObject(key: ObjectKey(1_000_003), bytes: max(1, min(free, cache.capacity / 20)))
        for number in 0..<Self.patience {
            cache.request(newcomer, at: Double(steps.count + number))
            if cache.holds(newcomer.key) { return nil }
            if let (rule, detail) = fault(of: cache) { return failed(rule, detail, steps) }
        }
        return failed(
            .starvesNobody, "a new object of \(newcomer.bytes) bytes was asked for \(Self.patience) times in vain",
            steps)
    }

    private func newCache() -> CacheModel {
        CacheModel(policy, PolicySettings(capacity: capacity, seed: seed, demotion: demotion))
    }

    private func perform(_ step: CacheStep, _ time: Int, on cache: inout CacheModel) {
        func key(_ object: Int) -> ObjectKey { ObjectKey(UInt64(object)) }
        switch step {
        case .request(let object, let bytes):
            cache.request(CachedObject(key: key(object), bytes: bytes), at: Double(time))
        case .pin(let object): cache.pin(key(object))
        case .unpin(let object): cache.unpin(key(object), at: Double(time))
        case .lease(let object): cache.lease(key(object))
        case .release(let object): cache.release(key(object), at: Double(time))
        case .remove(let object): cache.remove(key(object))
        case .resize(let capacity): cache.resize(to: capacity, at: Double(time))
        }
    }

    private func fault(of cache: CacheModel) -> (PolicyFailure.Rule, String)? {
        if let violation = cache.violations.first {
            let rule: PolicyFailure.Rule =
                switch violation {
                case .sparedVictim: .sparesPinned
                case .unknownVictim, .idleDemotion: .knowsWhatIsHeld
                case .noVictim: .findsVictims
                }
            return (rule, violation.description)
        }
        guard cache.usedBytes <= max(cache.capacity, cache.sparedBytes) else {
            return (.keepsToCapacity, "\(cache.usedBytes) bytes are held of \(cache.capacity)")
        }
        let counts = cache.statistics
        guard counts.hits + counts.misses == counts.requests, counts.bytesIn - counts.bytesOut == cache.usedBytes,
            cache.usedBytes >= 0
        else {
            return (.balances, "\(counts.bytesIn) bytes came in, \(counts.bytesOut) left, \(cache.usedBytes) are held")
        }
        return nil
    }

    private func failed(_ rule: PolicyFailure.Rule, _ detail: String, _ steps: [CacheStep]) -> PolicyFailure {
        PolicyFailure(
            policy: policy.name, rule: rule, detail: detail, capacity: capacity, seed: seed, steps: steps)
    }
}

extension Trial {
    /// The same failure with as few steps as are found: parts are left out, larger ones first, as long as the same rule is
    /// broken (delta debugging; Zeller and Hildebrandt, IEEE TSE 28(2), 2002).
    func shrunk(_ failure: PolicyFailure) -> PolicyFailure {
        var shortest = failure
        var part = max(1, failure.steps.count / 2)
        while true {
            var start = 0
            var hasShrunk = false
            while start < shortest.steps.count {
                var steps = shortest.steps
                steps.removeSubrange(start..<min(start + part, steps.count))
                if let shorter = self.failure(of: steps), shorter.rule == failure.rule {
                    shortest = shorter
                    hasShrunk = true
                } else {
                    start += part
                }
            }
            guard part > 1 || hasShrunk else { return shortest }
            part = max(1, part / 2)
        }
    }
}
