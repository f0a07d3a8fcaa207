// SPDX-License-Identifier: Apache-2.0

/// A policy with the objects that it decides on: what the cache model of the simulator and a live store have in common.
///
/// It tells the policy of what happens, and trusts it in nothing: a victim that is not held, or may not leave, is noted in
/// ``violations`` and not taken.
package struct PolicyHost<Tag: Sendable>: Sendable {
    /// An object that is held.
    package struct Resident: Sendable {
        /// The bytes that it takes now.
        package fileprivate(set) var bytes: Int
        /// The number of its tenant.
        package let namespace: Int
        /// What the cache notes of it.
        package var tag: Tag
        /// Whether it makes do with a smaller codec.
        package fileprivate(set) var isDemoted = false
        fileprivate let isDemotable: Bool
        fileprivate var isPinned = false
        fileprivate var leases = 0

        /// Whether it can't leave now.
        package var isSpared: Bool { isPinned || leases > 0 }
    }

    private var policy: any EvictionPolicy
    private let demotion: Demotion?
    /// Bytes of each tenant, by its number.
    private var tenants: ContiguousArray<Int> = []
    /// The objects that are held.
    package private(set) var residents: [ObjectKey: Resident] = [:]
    /// Bytes of all of them.
    package private(set) var usedBytes = 0
    /// Bytes of those that can't leave now.
    package private(set) var sparedBytes = 0
    /// What came in and left.
    package private(set) var flows = CacheFlows()
    /// What the policy did wrong, the first of it.
    package private(set) var violations: [PolicyViolation] = []

    /// Begins with nothing held.
    package init(_ policy: PolicyKind, _ settings: PolicySettings) {
        self.policy = policy.make(settings)
        demotion = settings.demotion
    }

    /// Bytes of a tenant's objects.
    package func usedBytes(of namespace: Int) -> Int { tenants.indices.contains(namespace) ? tenants[namespace] : 0 }

    /// Bytes of a tenant's objects that can't leave now.
    package func sparedBytes(of namespace: Int) -> Int {
        sparedBytes == 0
            ? 0 : residents.values.reduce(0) { $0 + ($1.namespace == namespace && $1.isSpared ? $1.bytes : 0) }
    }

    /// An object that is held was asked for; one that isn't is passed over.
    package mutating func hit(_ object: CachedObject, at time: Double) {
        if residents[object.key] != nil { policy.hit(object, at: time) }
    }

    /// An object that is not held was asked for.
    ///
    /// - Returns: Whether the policy wants it.
    package mutating func miss(_ object: CachedObject, at time: Double) -> Bool {
        policy.miss(object, at: time)
    }

    /// An object comes in; the policy was told of the miss. One that is held already is passed over.
    package mutating func insert(_ object: CachedObject, tag: Tag, at time: Double) {
        guard residents[object.key] == nil else { return }
        let namespace = object.tenant
        residents[object.key] = Resident(
            bytes: object.bytes, namespace: namespace, tag: tag, isDemotable: object.isDemotable)
        add(object.bytes, of: namespace)
        policy.insert(object, at: time)
    }

    /// The cache notes something else of an object now.
    package mutating func note(_ key: ObjectKey, _ tag: Tag) { residents[key]?.tag = tag }

    /// An object takes other bytes than the policy reckoned with.
    package mutating func measured(_ key: ObjectKey, _ bytes: Int) {
        guard let resident = residents[key], resident.bytes != bytes else { return }
        residents[key]?.bytes = bytes
        if resident.isSpared { sparedBytes += bytes - resident.bytes }
        add(bytes - resident.bytes, of: resident.namespace)
    }

    /// An object is gone, whoever wanted it; what isn't held is passed over.
    package mutating func remove(_ key: ObjectKey) {
        guard let resident = residents.removeValue(forKey: key) else { return }
        if resident.isSpared { sparedBytes -= resident.bytes }
        add(-resident.bytes, of: resident.namespace)
        policy.remove(key)
    }

    /// The capacity is another now.
    package mutating func resize(to capacity: Int) { policy.resize(to: PolicySettings.bounded(capacity)) }

    /// Lets the policy choose a victim, which has left, or is smaller, when the call returns.
    ///
    /// - Parameters:
    ///   - incoming: What room is made for.
    ///   - namespace: The tenant whose objects may leave; nil for all.
    ///   - isSpared: Who else can't leave.
    /// - Returns: The victim and what it was; nil when there is none to be had.
    package mutating func victim(
        for incoming: CachedObject?, of namespace: Int? = nil, at time: Double,
        sparing isSpared: (Resident) -> Bool = { _ in false }
    ) -> (victim: Victim, resident: Resident)? {
        func stays(_ resident: Resident) -> Bool {
            resident.isSpared || (namespace ?? resident.namespace) != resident.namespace || isSpared(resident)
        }
        guard let victim = Self.victim(of: &policy, for: incoming, at: time, among: residents, sparing: stays) else {
            if residents.values.contains(where: { !stays($0) }) { note(.noVictim) }
            return nil
        }
        guard let resident = residents[victim.key] else {
            note(.unknownVictim(victim.key))
            return nil
        }
        guard !stays(resident) else {
            note(.sparedVictim(victim.key))
            return nil
        }
        return take(victim, resident) ? (victim, resident) : nil
    }

    /// In a function of its own, so that the policy changes while the residents are read.
    private static func victim(
        of policy: inout any EvictionPolicy, for incoming: CachedObject?, at time: Double,
        among residents: [ObjectKey: Resident], sparing stays: (Resident) -> Bool
    ) -> Victim? {
        policy.victim(for: incoming, at: time) { key in residents[key].map(stays) ?? false }
    }

    private mutating func take(_ victim: Victim, _ resident: Resident) -> Bool {
        switch victim {
        case .evict(let key):
            residents[key] = nil
            add(-resident.bytes, of: resident.namespace)
            flows.evictions += 1
        case .demote(let key, let bytes):
            guard !resident.isDemoted, resident.isDemotable, demotion?.bytes(of: resident.bytes) == bytes,
                bytes < resident.bytes
            else {
                note(.idleDemotion(key))
                return false
            }
            residents[key]?.bytes = bytes
            residents[key]?.isDemoted = true
            add(bytes - resident.bytes, of: resident.namespace)
            flows.demotions += 1
        }
        return true
    }

    private mutating func note(_ violation: PolicyViolation) {
        if violations.count < Self.mostViolations { violations.append(violation) }
    }

    private static var mostViolations: Int { 100 }

    private mutating func add(_ bytes: Int, of namespace: Int) {
        usedBytes += bytes
        while tenants.count <= namespace { tenants.append(0) }
        tenants[namespace] += bytes
        if bytes > 0 { flows.bytesIn.add(bytes) } else { flows.bytesOut.add(-bytes) }
    }

    /// Keeps an object from leaving, or lets it; what isn't held is passed over.
    package mutating func pin(_ key: ObjectKey, _ isPinned: Bool) { change(key) { $0.isPinned = isPinned } }

    /// Somebody begins to read an object, or, with -1, has read it.
    package mutating func lease(_ key: ObjectKey, _ count: Int) {
        change(key) { $0.leases = max(0, $0.leases + count) }
    }

    private mutating func change(_ key: ObjectKey, _ body: (inout Resident) -> Void) {
        guard var resident = residents[key] else { return }
        let before = resident.isSpared ? resident.bytes : 0
        body(&resident)
        sparedBytes += (resident.isSpared ? resident.bytes : 0) - before
        residents[key] = resident
    }
}

/// What came into a cache and left it.
package struct CacheFlows: Sendable, Equatable {
    /// Bytes that came in.
    package fileprivate(set) var bytesIn = 0
    /// Bytes that left, by demotion too.
    package fileprivate(set) var bytesOut = 0
    /// Objects that left to make room.
    package fileprivate(set) var evictions = 0
    /// Objects that made room in a smaller codec.
    package fileprivate(set) var demotions = 0
}

/// Something that a policy did wrong.
public enum PolicyViolation: Sendable, Hashable, CustomStringConvertible {
    /// It named an object that is not held.
    case unknownVictim(ObjectKey)
    /// It named an object that is pinned, in use or another tenant's.
    case sparedVictim(ObjectKey)
    /// It named none, although there were some.
    case noVictim
    /// It wanted to demote an object that can't be, or to a size that frees nothing.
    case idleDemotion(ObjectKey)

    /// What it was, as a sentence's end.
    public var description: String {
        switch self {
        case .unknownVictim(let key): "it gave up \(key), which is not held"
        case .sparedVictim(let key): "it gave up \(key), which may not leave now"
        case .noVictim: "it named no victim, although there were some"
        case .idleDemotion(let key): "it demoted \(key), which can't be demoted to that size"
        }
    }
}
