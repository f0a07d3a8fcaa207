// SPDX-License-Identifier: Apache-2.0

/// What came of requests. Hits and misses are all requests; bytes in less bytes out are the bytes held.
public struct CacheStatistics: Sendable, Equatable {
    /// Requests for objects that were held.
    public internal(set) var hits = 0
    /// Requests for objects that were not.
    public internal(set) var misses = 0
    /// Bytes asked for, and of them those that were held.
    public internal(set) var requestedBytes = 0
    /// Bytes asked for that were held.
    public internal(set) var hitBytes = 0
    /// What computing all that was asked for takes.
    public internal(set) var requestedCost = 0.0
    /// What of it was saved.
    public internal(set) var savedCost = 0.0
    /// Bytes that came in.
    public internal(set) var bytesIn = 0
    /// Bytes that left, by demotion too.
    public internal(set) var bytesOut = 0
    /// Objects that left to make room.
    public internal(set) var evictions = 0
    /// Objects that made room in a smaller codec.
    public internal(set) var demotions = 0
    /// Objects that were not taken in, though they would have fit.
    public internal(set) var refusals = 0
    /// Objects that were larger than the cache, or than what can leave.
    public internal(set) var oversized = 0
    /// Held objects that were asked for in another size, and so were of no use.
    public internal(set) var resized = 0
    /// Held objects whose time was up.
    public internal(set) var expired = 0

    /// Nothing counted yet.
    public init() {}

    /// Requests.
    public var requests: Int { hits + misses }
    /// The share of requests that were misses.
    public var missRatio: Double { Self.share(misses, of: requests) }
    /// The share of bytes asked for that were not held.
    public var byteMissRatio: Double { Self.share(requestedBytes - hitBytes, of: requestedBytes) }
    /// The share of the cost that was saved.
    public var timeSaved: Double { requestedCost > 0 ? savedCost / requestedCost : 0 }

    private static func share(_ part: Int, of whole: Int) -> Double {
        whole > 0 ? Double(part) / Double(whole) : 0
    }
}

extension Int {
    /// Adds, and stops at the largest number: sums over a trace of absurd sizes are wrong then, and nothing else.
    mutating func add(_ other: Int) {
        let (sum, isOver) = addingReportingOverflow(other)
        self = isOver ? .max : sum
    }
}
