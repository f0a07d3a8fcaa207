// SPDX-License-Identifier: Apache-2.0

/// What holds beside a policy, whichever it is.
public struct CacheRules: Sendable, Equatable {
    /// Seconds after which an object that came in is no longer there; nil for ever.
    public var timeToLive: Double?
    /// The most bytes of a tenant, by its number; a tenant at its quota makes room among its own objects.
    public var quotas: [Int: Int]
    /// The uses after which an object is taken in; 1 takes in what is asked for the first time.
    public var admissionUses: Int

    /// No rules, unless stated.
    public init(timeToLive: Double? = nil, quotas: [Int: Int] = [:], admissionUses: Int = 1) {
        self.timeToLive = timeToLive
        self.quotas = quotas
        self.admissionUses = admissionUses
    }
}

/// How often objects that are not held were asked for, for ``CacheRules/admissionUses``. What was asked for longest ago is
/// forgotten.
package struct WaitingObjects: Sendable {
    private var queues = ObjectQueues<Int>(1)
    private static let least = 1 << 16

    /// Nothing was asked for yet.
    package init() {}

    /// Counts a use.
    ///
    /// - Parameter held: The number of objects that are held; several times as many are remembered.
    /// - Returns: The uses so far.
    package mutating func use(_ key: ObjectKey, holding held: Int) -> Int {
        guard let slot = queues.find(key) else {
            if queues.count >= max(Self.least, 4 * held), let oldest = queues.oldest(0) { queues.remove(oldest) }
            queues.add(key, bytes: 0, mark: 1, to: 0)
            return 1
        }
        queues[slot] += 1
        queues.move(slot, to: 0)
        return queues[slot]
    }

    /// An object has been taken in.
    package mutating func forget(_ key: ObjectKey) {
        if let slot = queues.find(key) { queues.remove(slot) }
    }
}
