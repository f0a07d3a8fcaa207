// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// A policy by name, and how to make one.
///
/// ```swift
/// let mine = PolicyKind("mine", "gives up what I like least") { MyPolicy($0) }
/// ```
public struct PolicyKind: Sendable, CustomStringConvertible {
    /// The name, as options and results state it.
    public let name: String
    /// What it does, in a line.
    public let summary: String
    /// Makes one for a cache.
    public let make: @Sendable (PolicySettings) -> any EvictionPolicy

    /// Names a policy.
    public init(
        _ name: String, _ summary: String, make: @escaping @Sendable (PolicySettings) -> any EvictionPolicy
    ) {
        self.name = name
        self.summary = summary
        self.make = make
    }

    /// The name.
    public var description: String { name }

    /// First in, first out.
    public static let fifo = PolicyKind("fifo", "first in, first out") { FirstInFirstOut($0) }
    /// FIFO with a second chance.
    public static let clock = PolicyKind("clock", "FIFO with a second chance for what was used") { Clock($0) }
    /// Least recently used.
    public static let lru = PolicyKind("lru", "least recently used") { LeastRecentlyUsed($0) }
    /// Least frequently used.
    public static let lfu = PolicyKind("lfu", "least frequently used since it came in") { LeastFrequentlyUsed($0) }
    /// Least frequently used, with dynamic ageing.
    public static let lfuda = PolicyKind("lfuda", "LFU with dynamic ageing") {
        LeastFrequentlyUsed($0, isAgeing: true)
    }
    /// 2Q.
    public static let twoQueue = PolicyKind("2q", "2Q: newcomers wait in a queue of their own") { TwoQueue($0) }
    /// ARC.
    public static let arc = PolicyKind("arc", "ARC: recency and frequency, balanced by what comes back") {
        AdaptiveReplacement($0)
    }
    /// SIEVE.
    public static let sieve = PolicyKind("sieve", "SIEVE: a hand that passes over what was used") { Sieve($0) }
    /// S3-FIFO.
    public static let s3fifo = PolicyKind("s3fifo", "S3-FIFO: a small queue, a main one, and keys of what left") {
        S3FIFO($0)
    }
    /// W-TinyLFU.
    public static let wTinyLFU = PolicyKind("wtinylfu", "W-TinyLFU: admission by a sketch of frequencies") {
        WTinyLFU($0)
    }
    /// GDSF.
    public static let gdsf = PolicyKind("gdsf", "GDSF: frequency × cost ÷ size, ageing") { GreedyDual($0) }
    /// PGDSF.
    public static let pgdsf = PolicyKind("pgdsf", "PGDSF (RAGCache): GDSF with the mean of what uses saved") {
        GreedyDual($0, averages: true)
    }
    /// Cache-Craft's.
    public static let cacheCraft = PolicyKind("cachecraft", "Cache-Craft: uses, weighted by how little they had to fix")
    {
        CacheCraft($0)
    }

    /// Tessera's own.
    public static let value = PolicyKind("value", "Tessera's own: expected reuses × time saved ÷ bytes") {
        ValuePerByte($0)
    }

    /// All policies of Tessera.
    public static let all = [
        fifo, clock, lru, lfu, lfuda, twoQueue, arc, sieve, s3fifo, wTinyLFU, gdsf, pgdsf, cacheCraft, value,
    ]

    /// The policy of a name.
    ///
    /// - Throws: `invalidInput` with the list of names when there is none.
    public static func named(_ name: String) throws(TesseraError) -> PolicyKind {
        guard let kind = all.first(where: { $0.name == name.lowercased() }) else {
            throw TesseraError(
                .invalidInput, "there is no policy \(name); there are \(all.map(\.name).joined(separator: ", "))")
        }
        return kind
    }
}
