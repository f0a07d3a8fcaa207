// SPDX-License-Identifier: Apache-2.0

/// A cache without its contents: who is held, under a policy and the rules that hold beside it.
///
/// The simulator runs it over traces, and the test kit runs policies in it.
public struct CacheModel: Sendable {
    /// What came of a request.
    public enum Outcome: Sendable, Equatable {
        /// The object was held.
        case hit
        /// It was not, and has been taken in.
        case admitted
        /// It was not, and the policy or a rule turned it away.
        case refused
        /// It was not, and is larger than what could be freed for it.
        case oversized
    }

    /// The bytes that may be held.
    public private(set) var capacity: Int

    private var host: PolicyHost<Double>
    private var counts = CacheStatistics()
    private let rules: CacheRules
    private let demotion: Demotion?
    private var waiting = WaitingObjects()

    /// Begins with nothing held.
    ///
    /// - Parameters:
    ///   - policy: Makes the policy.
    ///   - settings: The capacity, a seed, and what a smaller codec makes of objects.
    ///   - rules: What holds beside the policy.
    public init(_ policy: PolicyKind, _ settings: PolicySettings, rules: CacheRules = CacheRules()) {
        host = PolicyHost(policy, settings)
        self.rules = rules
        capacity = settings.capacity
        demotion = settings.demotion
    }

    /// Objects that are held.
    public var count: Int { host.residents.count }

    /// The bytes that are held.
    public var usedBytes: Int { host.usedBytes }

    /// The bytes of what is pinned or in use.
    public var sparedBytes: Int { host.sparedBytes }

    /// Whether an object is held; its time may be up.
    public func holds(_ key: ObjectKey) -> Bool { host.residents[key] != nil }

    /// Bytes of a tenant's objects.
    public func usedBytes(of namespace: Int) -> Int { host.usedBytes(of: namespace) }

    /// What the policy did wrong.
    public var violations: [PolicyViolation] { host.violations }

    /// What came of the requests so far.
    public var statistics: CacheStatistics {
        var statistics = counts
        (statistics.bytesIn, statistics.bytesOut) = (host.flows.bytesIn, host.flows.bytesOut)
        (statistics.evictions, statistics.demotions) = (host.flows.evictions, host.flows.demotions)
        return statistics
    }

    /// Asks for an object, and takes it in where it is not held and there is room to be made.
    @discardableResult
    public mutating func request(_ object: CachedObject, at time: Double) -> Outcome {
        counts.requestedBytes.add(object.bytes)
        counts.requestedCost += object.cost
        if let resident = host.residents[object.key] {
            if isHit(resident, object, time) {
                let loss = resident.isDemoted ? demotion?.loss ?? 0 : 0
                counts.hits += 1
                counts.hitBytes.add(object.bytes)
                counts.savedCost += object.saving * (1 - loss)
                host.hit(object, at: time)
                return .hit
            }
            // What is pinned or being read stays as it is.
            guard !resident.isSpared else {
                counts.misses += 1
                counts.refusals += 1
                return .refused
            }
            host.remove(object.key)
        }
        counts.misses += 1
        let outcome = admit(object, at: time)
        switch outcome {
        case .refused: counts.refusals += 1
        case .oversized: counts.oversized += 1
        case .hit, .admitted: break
        }
        return outcome
    }

    /// Whether a held object is what is asked for, and still there.
    private mutating func isHit(
        _ resident: PolicyHost<Double>.Resident, _ object: CachedObject, _ time: Double
    ) -> Bool {
        guard resident.tag > time || resident.isSpared else {
            counts.expired += 1
            return false
        }
        let bytes = resident.isDemoted ? demotion?.bytes(of: object.bytes) : object.bytes
        guard bytes != resident.bytes else { return true }
        counts.resized += 1
        return false
    }

    private mutating func admit(_ object: CachedObject, at time: Double) -> Outcome {
        let quota = min(capacity, rules.quotas[object.tenant] ?? capacity)
        guard object.bytes <= quota else { return .oversized }
        if rules.admissionUses > 1 {
            guard waiting.use(object.key, holding: count) >= rules.admissionUses else { return .refused }
        }
        guard host.miss(object, at: time) else { return .refused }
        guard makeRoom(for: object, quota: quota, at: time) else { return .oversized }
        waiting.forget(object.key)
        host.insert(object, tag: rules.timeToLive.map { time + $0 } ?? .infinity, at: time)
        return .admitted
    }

    /// Frees what an object needs; gives up nothing where that is not to be had.
    private mutating func makeRoom(for object: CachedObject, quota: Int, at time: Double) -> Bool {
        guard sparedBytes + object.bytes <= capacity else { return false }
        if quota < capacity, usedBytes(of: object.tenant) + object.bytes > quota {
            guard host.sparedBytes(of: object.tenant) + object.bytes <= quota else { return false }
            while usedBytes(of: object.tenant) + object.bytes > quota {
                guard host.victim(for: object, of: object.tenant, at: time) != nil else { return false }
            }
        }
        while usedBytes + object.bytes > capacity {
            guard host.victim(for: object, at: time) != nil else { return false }
        }
        return true
    }

    /// Takes an object out, whoever wants it; what isn't held is passed over.
    public mutating func remove(_ key: ObjectKey) { host.remove(key) }

    /// Takes out what is past its time; without this it goes when it is next asked for, or as a victim.
    public mutating func expire(at time: Double) {
        for (key, resident) in host.residents where resident.tag <= time && !resident.isSpared {
            counts.expired += 1
            host.remove(key)
        }
    }

    /// Changes the capacity; what no longer fits leaves, as far as it may.
    public mutating func resize(to capacity: Int, at time: Double) {
        self.capacity = PolicySettings.bounded(capacity)
        host.resize(to: capacity)
        shrink(at: time)
    }

    private mutating func shrink(at time: Double) {
        while usedBytes > max(capacity, sparedBytes) {
            guard host.victim(for: nil, at: time) != nil else { return }
        }
    }

    /// Keeps an object from being given up; what isn't held is passed over.
    public mutating func pin(_ key: ObjectKey) { host.pin(key, true) }

    /// Takes a pin off.
    public mutating func unpin(_ key: ObjectKey, at time: Double) {
        host.pin(key, false)
        shrink(at: time)
    }

    /// Somebody begins to read an object: it stays until ``release(_:at:)`` was called as often.
    public mutating func lease(_ key: ObjectKey) { host.lease(key, 1) }

    /// Somebody has read an object.
    public mutating func release(_ key: ObjectKey, at time: Double) {
        host.lease(key, -1)
        shrink(at: time)
    }
}
