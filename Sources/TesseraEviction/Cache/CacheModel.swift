// SPDX-License-Identifier: Apache-2.0

/// A cache without its contents: who is held, under a policy and the rules that hold beside it.
///
/// The simulator runs it over traces; the test kit runs policies in it. It asks the policy for victims, and trusts none: a
/// policy that names an object which is not held or may not leave is noted in ``violations`` and asked no more for this
/// room.
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

    /// Something that a policy did wrong.
    public enum Violation: Sendable, Equatable {
        /// It named an object that is not held.
        case unknownVictim(ObjectKey)
        /// It named an object that is pinned, in use or another tenant's.
        case sparedVictim(ObjectKey)
        /// It named none, although there were some.
        case noVictim
        /// It wanted to demote an object that can't be, or to a size that frees nothing.
        case idleDemotion(ObjectKey)
    }

    private struct Resident {
        var bytes: Int
        var namespace: Int
        var expiry: Double
        var isPinned = false
        var leases = 0
        var isDemoted = false

        var isSpared: Bool { isPinned || leases > 0 }

        /// Whether it has to stay where a tenant's objects make room; nil for anybody's.
        func isSpared(for tenant: Int?) -> Bool { isSpared || (tenant ?? namespace) != namespace }
    }

    /// The policy, as it stands.
    public private(set) var policy: any EvictionPolicy
    /// The bytes that may be held.
    public private(set) var capacity: Int
    /// The bytes that are held.
    public private(set) var usedBytes = 0
    /// What came of the requests so far.
    public private(set) var statistics = CacheStatistics()
    /// What the policy did wrong.
    public private(set) var violations: [Violation] = []

    private let rules: CacheRules
    private let demotion: Demotion?
    private var residents: [ObjectKey: Resident] = [:]
    private var waiting = WaitingObjects()
    private var sparedBytes = 0
    private var tenants: [Int: Int] = [:]

    /// Begins with nothing held.
    ///
    /// - Parameters:
    ///   - policy: Makes the policy.
    ///   - settings: The capacity, a seed, and what a smaller codec makes of objects.
    ///   - rules: What holds beside the policy.
    public init(_ policy: PolicyKind, _ settings: PolicySettings, rules: CacheRules = CacheRules()) {
        self.policy = policy.make(settings)
        self.rules = rules
        capacity = settings.capacity
        demotion = settings.demotion
    }

    /// Objects that are held.
    public var count: Int { residents.count }

    /// Whether an object is held; its time may be up.
    public func holds(_ key: ObjectKey) -> Bool { residents[key] != nil }

    /// Bytes of a tenant's objects.
    public func usedBytes(of namespace: Int) -> Int { tenants[namespace] ?? 0 }

    /// Asks for an object, and takes it in where it is not held and there is room to be made.
    @discardableResult
    public mutating func request(_ object: CachedObject, at time: Double) -> Outcome {
        statistics.requestedBytes += object.bytes
        statistics.requestedCost += object.cost
        if let resident = residents[object.key], isCurrent(resident, object, time) {
            let loss = resident.isDemoted ? demotion?.loss ?? 0 : 0
            statistics.hits += 1
            statistics.hitBytes += object.bytes
            statistics.savedCost += object.saving * (1 - loss)
            policy.hit(object, at: time)
            return .hit
        }
        statistics.misses += 1
        let outcome = admit(object, at: time)
        switch outcome {
        case .refused: statistics.refusals += 1
        case .oversized: statistics.oversized += 1
        case .hit, .admitted: break
        }
        return outcome
    }

    /// Whether a held object is what is asked for; otherwise it is taken out.
    private mutating func isCurrent(_ resident: Resident, _ object: CachedObject, _ time: Double) -> Bool {
        if resident.expiry <= time, !resident.isSpared {
            statistics.expired += 1
        } else {
            let bytes = resident.isDemoted ? demotion?.bytes(of: object.bytes) : object.bytes
            guard bytes != resident.bytes else { return true }
            statistics.resized += 1
        }
        remove(object.key)
        return false
    }

    private mutating func admit(_ object: CachedObject, at time: Double) -> Outcome {
        let quota = min(capacity, rules.quotas[object.namespace] ?? capacity)
        guard object.bytes <= quota else { return .oversized }
        if rules.admissionUses > 1 {
            guard waiting.use(object.key, holding: count) >= rules.admissionUses else { return .refused }
        }
        guard policy.miss(object, at: time) else { return .refused }
        guard makeRoom(for: object, quota: quota, at: time) else { return .oversized }
        waiting.forget(object.key)
        let expiry = rules.timeToLive.map { time + $0 } ?? .infinity
        residents[object.key] = Resident(bytes: object.bytes, namespace: object.namespace, expiry: expiry)
        add(object.bytes, of: object.namespace)
        policy.insert(object, at: time)
        return .admitted
    }

    /// Frees what an object needs; gives up nothing where that is not to be had.
    private mutating func makeRoom(for object: CachedObject, quota: Int, at time: Double) -> Bool {
        guard sparedBytes + object.bytes <= capacity else { return false }
        if quota < capacity, usedBytes(of: object.namespace) + object.bytes > quota {
            let own = residents.values.lazy.filter { $0.namespace == object.namespace && $0.isSpared }
            guard own.reduce(0, { $0 + $1.bytes }) + object.bytes <= quota else { return false }
            while usedBytes(of: object.namespace) + object.bytes > quota {
                guard giveUp(for: object, of: object.namespace, at: time) else { return false }
            }
        }
        while usedBytes + object.bytes > capacity {
            guard giveUp(for: object, of: nil, at: time) else { return false }
        }
        return true
    }

    /// Lets the policy choose a victim, and takes it out.
    ///
    /// - Parameter namespace: The tenant whose objects may leave; nil for all.
    private mutating func giveUp(for incoming: CachedObject?, of namespace: Int?, at time: Double) -> Bool {
        guard let victim = Self.victim(of: &policy, among: residents, of: namespace, for: incoming, at: time) else {
            violations.append(.noVictim)
            return false
        }
        guard let resident = residents[victim.key] else {
            violations.append(.unknownVictim(victim.key))
            return false
        }
        guard !resident.isSpared(for: namespace) else {
            violations.append(.sparedVictim(victim.key))
            return false
        }
        return take(victim, resident)
    }

    private static func victim(
        of policy: inout any EvictionPolicy, among residents: [ObjectKey: Resident], of namespace: Int?,
        for incoming: CachedObject?, at time: Double
    ) -> Victim? {
        policy.victim(for: incoming, at: time) { residents[$0]?.isSpared(for: namespace) ?? false }
    }

    private mutating func take(_ victim: Victim, _ resident: Resident) -> Bool {
        switch victim {
        case .evict(let key):
            residents[key] = nil
            add(-resident.bytes, of: resident.namespace)
            statistics.evictions += 1
        case .demote(let key, let bytes):
            guard !resident.isDemoted, demotion?.bytes(of: resident.bytes) == bytes, bytes < resident.bytes else {
                violations.append(.idleDemotion(key))
                return false
            }
            residents[key]?.bytes = bytes
            residents[key]?.isDemoted = true
            add(bytes - resident.bytes, of: resident.namespace)
            statistics.demotions += 1
        }
        return true
    }

    private mutating func add(_ bytes: Int, of namespace: Int) {
        usedBytes += bytes
        tenants[namespace, default: 0] += bytes
        if bytes > 0 { statistics.bytesIn += bytes } else { statistics.bytesOut -= bytes }
    }

    /// Takes an object out, whoever wants it; what isn't held is ignored.
    public mutating func remove(_ key: ObjectKey) {
        guard let resident = residents.removeValue(forKey: key) else { return }
        if resident.isSpared { sparedBytes -= resident.bytes }
        add(-resident.bytes, of: resident.namespace)
        policy.remove(key)
    }

    /// Takes out what is past its time; without this it goes when it is next asked for, or as a victim.
    public mutating func expire(at time: Double) {
        for (key, resident) in residents where resident.expiry <= time && !resident.isSpared {
            statistics.expired += 1
            remove(key)
        }
    }

    /// Changes the capacity; what no longer fits leaves, as far as it may.
    public mutating func resize(to capacity: Int, at time: Double) {
        self.capacity = capacity
        policy.resize(to: capacity)
        while usedBytes > max(capacity, sparedBytes) {
            guard giveUp(for: nil, of: nil, at: time) else { return }
        }
    }

    /// Keeps an object from being given up; what isn't held is ignored.
    public mutating func pin(_ key: ObjectKey) { change(key) { $0.isPinned = true } }

    /// Takes a pin off.
    public mutating func unpin(_ key: ObjectKey) { change(key) { $0.isPinned = false } }

    /// Somebody begins to read an object: it stays until ``release(_:)`` was called as often.
    public mutating func lease(_ key: ObjectKey) { change(key) { $0.leases += 1 } }

    /// Somebody has read an object.
    public mutating func release(_ key: ObjectKey) { change(key) { $0.leases = max(0, $0.leases - 1) } }

    private mutating func change(_ key: ObjectKey, _ body: (inout Resident) -> Void) {
        guard var resident = residents[key] else { return }
        let before = resident.isSpared ? resident.bytes : 0
        body(&resident)
        sparedBytes += (resident.isSpared ? resident.bytes : 0) - before
        residents[key] = resident
    }
}
