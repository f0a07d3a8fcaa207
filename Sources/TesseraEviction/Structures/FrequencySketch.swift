// SPDX-License-Identifier: Apache-2.0

/// How often keys were asked for lately, roughly, in a few bytes for each object that is held.
///
/// TinyLFU's count-min sketch (Einziger, Friedman and Manes, ACM TOS 2017, §3): four counters of at most 15 for each
/// key, the least of which counts; all are halved once ten times as many requests were seen as objects are held.
/// Deviation: the table doubles as the number of held objects grows, since a cache that counts bytes can't tell it
/// beforehand; a doubled table has each counter twice.
struct FrequencySketch: Sendable {
    private var counters: [UInt8]
    private var requests = 0
    private var held = 0

    private static let rows = 4
    private static let limit: UInt8 = 15
    private static let least = 1 << 10

    init() {
        counters = Array(repeating: 0, count: Self.rows * Self.least)
    }

    private var width: Int { counters.count / Self.rows }

    /// How often a key was asked for, 0 … 15.
    func frequency(of key: ObjectKey) -> Int {
        Int((0..<Self.rows).reduce(Self.limit) { min($0, counters[place(key, $1)]) })
    }

    /// Counts a request.
    ///
    /// - Parameter objects: How many objects are held now.
    mutating func add(_ key: ObjectKey, holding objects: Int) {
        held = max(held, objects)
        if held * 8 > width { grow() }
        let least = frequency(of: key)
        guard least < Int(Self.limit) else { return count() }
        // Only the least are raised ("conservative update"): the others count somebody else too.
        for row in 0..<Self.rows where Int(counters[place(key, row)]) == least { counters[place(key, row)] += 1 }
        count()
    }

    private mutating func count() {
        requests += 1
        guard requests >= 10 * max(held, 32) else { return }
        for place in counters.indices { counters[place] >>= 1 }
        requests /= 2
    }

    private mutating func grow() {
        let width = width
        counters = (0..<Self.rows).flatMap { row -> [UInt8] in
            let part = counters[(row * width)..<((row + 1) * width)]
            return Array(part) + Array(part)
        }
    }

    private func place(_ key: ObjectKey, _ row: Int) -> Int {
        // One round of SplitMix64's finaliser for each row.
        var z = key.rawValue &+ UInt64(row + 1) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return row * width + Int(truncatingIfNeeded: z >> 17) & (width - 1)
    }
}
