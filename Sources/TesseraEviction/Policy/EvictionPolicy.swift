// SPDX-License-Identifier: Apache-2.0

/// Decides which objects stay when a cache is full: who is taken in, and who leaves.
///
/// A policy is pure: it learns of what happens through the calls below, in the order in which it happens, and touches
/// neither clock nor disk. Time comes with each call, sizes with each object, capacity and seed at ``init(_:)``. The same
/// object runs in the simulator (``CacheModel``) and in a live store.
///
/// For each request a cache calls ``hit(_:at:)`` when it holds the object. When it doesn't, and the object fits at all, it
/// calls ``miss(_:at:)``, then ``victim(for:at:sparing:)`` until there is room, and ``insert(_:at:)``. A policy that keeps
/// to these calls can forget an object once it was a victim or removed; one that learns from the past may remember its
/// key, within bounds of its own.
///
/// ```swift
/// struct FirstInFirstOut: EvictionPolicy {
///     private var queue: [ObjectKey] = []
///
///     init(_ settings: PolicySettings) {}
///     mutating func insert(_ object: CachedObject, at time: Double) { queue.append(object.key) }
///     mutating func remove(_ key: ObjectKey) { queue.removeAll { $0 == key } }
///     mutating func victim(
///         for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
///     ) -> Victim? {
///         guard let place = queue.firstIndex(where: { !isSpared($0) }) else { return nil }
///         return .evict(queue.remove(at: place))
///     }
/// }
/// ```
///
/// `TesseraPolicyTesting` checks that a policy does what a cache relies on.
public protocol EvictionPolicy: Sendable {
    /// Begins with an empty cache.
    init(_ settings: PolicySettings)

    /// An object that is held was asked for.
    mutating func hit(_ object: CachedObject, at time: Double)

    /// An object was asked for that is not held, but would fit.
    ///
    /// - Returns: Whether to take it in. A policy that turns objects away has to take in one that is asked for over and
    ///   over.
    mutating func miss(_ object: CachedObject, at time: Double) -> Bool

    /// An object has been taken in.
    mutating func insert(_ object: CachedObject, at time: Double)

    /// An object is gone although the policy did not choose it: its time was up, it was damaged, somebody removed it. Keys
    /// that the policy does not know are to be ignored.
    mutating func remove(_ key: ObjectKey)

    /// Chooses an object to give up, which is gone when the call returns.
    ///
    /// - Parameters:
    ///   - incoming: What room is made for; nil when the cache has to shrink.
    ///   - time: Now.
    ///   - isSpared: Tells which objects can't leave now: pinned ones, those that somebody is reading, and those of other
    ///     tenants where a tenant's quota is reached. They stay with the policy.
    /// - Returns: The object; nil only when all that are held are spared.
    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim?

    /// The cache's capacity has changed. The cache asks for victims afterwards.
    mutating func resize(to capacity: Int)
}

extension EvictionPolicy {
    /// Does nothing.
    public mutating func hit(_ object: CachedObject, at time: Double) {}

    /// Takes everything in.
    public mutating func miss(_ object: CachedObject, at time: Double) -> Bool { true }

    /// Does nothing.
    public mutating func resize(to capacity: Int) {}
}

/// How an object makes room.
public enum Victim: Sendable, Equatable {
    /// It leaves.
    case evict(ObjectKey)
    /// It stays in a smaller codec (``PolicySettings/demotion``), at so many bytes.
    case demote(ObjectKey, bytes: Int)

    /// The object.
    public var key: ObjectKey {
        switch self {
        case .evict(let key), .demote(let key, _): key
        }
    }
}

/// What a policy is told when a cache is made.
public struct PolicySettings: Sendable, Equatable {
    /// The bytes that the cache may hold: at least 0, and at most 2⁵⁶, so that a policy can reckon with multiples of it.
    public private(set) var capacity: Int
    /// Where randomness begins; a policy with the same seed and the same calls chooses the same victims.
    public var seed: UInt64
    /// What a smaller codec would make of an object; nil where objects can't be demoted.
    public var demotion: Demotion?

    /// Settings of a cache.
    public init(capacity: Int, seed: UInt64 = 0, demotion: Demotion? = nil) {
        self.capacity = Self.bounded(capacity)
        self.seed = seed
        self.demotion = demotion
    }

    static func bounded(_ capacity: Int) -> Int { min(max(0, capacity), 1 << 56) }
}

/// What a smaller codec makes of an object.
public struct Demotion: Sendable, Equatable {
    /// The bytes that are left of an object's, 0 … 1.
    public var size: Double
    /// The share of a use's saving that is lost, 0 … 1: slower decoding, and what worse numbers are held to cost.
    public var loss: Double

    /// Describes a codec.
    public init(size: Double, loss: Double) {
        self.size = size
        self.loss = loss
    }

    /// The bytes of an object once it is demoted.
    public func bytes(of bytes: Int) -> Int {
        max(1, Int((Double(bytes) * size).rounded(.up)))
    }
}
