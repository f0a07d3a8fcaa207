// SPDX-License-Identifier: Apache-2.0

/// Seconds since the last lap, and since the start.
package struct Stopwatch {
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var last: ContinuousClock.Instant

    /// Starts now.
    package init() {
        start = clock.now
        last = start
    }

    /// Seconds since the start.
    package var total: Double { (clock.now - start).seconds }

    /// Seconds since the last lap, or since the start; the next lap begins now.
    package mutating func lap() -> Double {
        let now = clock.now
        defer { last = now }
        return (now - last).seconds
    }
}

extension Duration {
    /// The duration in seconds.
    package var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
