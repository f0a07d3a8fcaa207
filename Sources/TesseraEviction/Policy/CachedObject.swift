// SPDX-License-Identifier: Apache-2.0

/// What an object is told apart by: 64 bits of a digest, or any number that is the object's own.
public struct ObjectKey: Hashable, Sendable, CustomStringConvertible {
    /// The number.
    public var rawValue: UInt64

    /// Names an object.
    public init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The number, in decimal digits.
    public var description: String { String(rawValue) }

    /// Hashes with one multiplication in the place of the standard library's SipHash, which takes a third of a simulation's
    /// time; keys are digests already.
    public func _rawHashValue(seed: Int) -> Int {
        // Both halves of the product, as the lower one knows nothing of the upper bits.
        let mixed = (rawValue ^ UInt64(bitPattern: Int64(seed))).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return Int(truncatingIfNeeded: mixed.high ^ mixed.low)
    }
}

/// What a policy is told of an object when it is asked for: in Tessera a stored KV of a chunk.
public struct CachedObject: Sendable, Equatable {
    /// What it is told apart by.
    public var key: ObjectKey
    /// The bytes that it takes, or would take.
    public var bytes: Int
    /// What computing it anew takes, in seconds or any unit that is the same for all objects.
    public var cost: Double
    /// The share of the cost that this use pays although the object is held, 0 … 1: the tokens that are computed anew
    /// to repair it (Cache-Craft's fix overhead).
    public var share: Double
    /// The number of the tenant that it belongs to: small, and not below 0.
    public var namespace: Int
    /// Whether a smaller codec may be used for it, where there is one (``PolicySettings/demotion``).
    public var isDemotable: Bool

    /// Describes an object.
    ///
    /// - Parameter cost: By default the bytes, for a model whose time is in proportion to the tokens.
    public init(
        key: ObjectKey, bytes: Int, cost: Double? = nil, share: Double = 0, namespace: Int = 0, isDemotable: Bool = true
    ) {
        self.key = key
        self.bytes = bytes
        self.cost = cost ?? Double(bytes)
        self.share = share
        self.namespace = namespace
        self.isDemotable = isDemotable
    }

    /// The tenant's number within bounds that tables can be made for.
    var tenant: Int { min(max(0, namespace), 65_535) }

    /// What this use saves if the object is held.
    public var saving: Double { cost * (1 - min(1, max(0, share))) }
}
