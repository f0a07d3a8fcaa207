// SPDX-License-Identifier: Apache-2.0

/// What a policy did wrong, and the fewest steps found that lead there.
public struct PolicyFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// What a policy has to keep to.
    public enum Rule: String, Sendable, CaseIterable {
        /// Pinned objects and those that are being read stay.
        case sparesPinned = "pinned objects and those that are being read stay"
        /// Victims are objects that are held.
        case knowsWhatIsHeld = "victims are objects that are held"
        /// There is a victim whenever something may leave.
        case findsVictims = "there is a victim whenever something may leave"
        /// No more is held than the capacity, or what can't leave.
        case keepsToCapacity = "no more is held than the capacity, or what can't leave"
        /// Requests are hits or misses, and bytes in less bytes out are the bytes held.
        case balances = "hits and misses are all requests, and bytes in less bytes out are the bytes held"
        /// The same steps under the same seed lead to the same.
        case isDeterministic = "the same steps under the same seed lead to the same"
        /// An object that fits and is asked for over and over comes in.
        case starvesNobody = "an object that fits and is asked for over and over comes in"
    }

    /// The policy.
    public var policy: String
    /// The rule that it broke.
    public var rule: Rule
    /// What it did.
    public var detail: String
    /// The capacity at the beginning.
    public var capacity: Int
    /// The policy's seed.
    public var seed: UInt64
    /// The steps that lead there, as few as were found.
    public var steps: [CacheStep]

    /// All of it, as a test shows it.
    public var description: String {
        """
        \(policy) breaks a rule: \(rule.rawValue); \(detail).
        With a capacity of \(capacity) bytes and the seed \(seed), these steps lead there:
        \(steps.map { "    \($0)" }.joined(separator: "\n"))
        """
    }
}
