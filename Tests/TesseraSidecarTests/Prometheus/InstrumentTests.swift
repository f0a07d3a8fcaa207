// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Testing

@testable import TesseraSidecar

@Suite struct InstrumentTests {
    let registry = PrometheusRegistry([
        "size": MetricDescription("Sizes.", buckets: [100, .infinity, 10, 10, .nan]),
        "empty": MetricDescription("No bounds.", buckets: []),
    ])

    @Test func `counters only grow and stop at their end`() {
        let cats = registry.counter("cats")
        cats.increment(by: Int64(5))
        cats.increment(by: Int64(-3))
        cats.increment(by: Int64.min)
        cats.increment(by: -2.5)
        #expect(registry.samples == ["cats_total 5"])
        for _ in 0..<4 { cats.increment(by: Int64.max) }
        #expect(registry.samples == ["cats_total 18446744073709551615"])
    }

    @Test func `counters take fractions but no infinities`() {
        let cats = registry.counter("cats")
        for amount in [0.25, .infinity, .nan, 0, 0.5] { cats.increment(by: amount) }
        cats.increment(by: Int64(2))
        #expect(registry.samples == ["cats_total 2.75"])
        for _ in 0..<3 { cats.increment(by: Double.greatestFiniteMagnitude) }
        #expect(registry.value("cats_total") == .greatestFiniteMagnitude)
    }

    @Test func `large counts stay exact`() {
        let bytes = registry.counter("bytes")
        bytes.increment(by: 1 << 60)
        bytes.increment()
        #expect(registry.samples == ["bytes_total 1152921504606846977"])
    }

    @Test func `a counter follows another one upwards only`() {
        let cats = registry.counter("cats")
        for total in [3, 7, 5] as [UInt64] { cats.raise(to: total) }
        #expect(registry.samples == ["cats_total 7"])
        cats.reset()
        #expect(registry.samples == ["cats_total 0"])
    }

    @Test func `gauges go up and down`() {
        let cats = registry.gauge("cats")
        cats.set(Int64(3))
        cats.increment(by: 1.5)
        cats.decrement(by: 5)
        for amount in [-1, .nan, .infinity] {
            cats.increment(by: amount)
            cats.decrement(by: amount)
        }
        #expect(registry.samples == ["cats -0.5"])
    }

    @Test func `buckets are cumulative and include their bound`() {
        let size = registry.histogram("size", [("cat", "tom")])
        for value in [10, 10.5, 100, 1000] { size.record(value) }
        size.record(Int64(-5))
        #expect(
            registry.lines == [
                "# HELP size Sizes.", "# TYPE size histogram", #"size_bucket{cat="tom",le="10"} 2"#,
                #"size_bucket{cat="tom",le="100"} 4"#, #"size_bucket{cat="tom",le="+Inf"} 5"#,
                #"size_sum{cat="tom"} 1115.5"#, #"size_count{cat="tom"} 5"#,
            ])
    }

    @Test func `a histogram counts no values that are no numbers`() {
        let size = registry.histogram("empty")
        for value in [.nan, .infinity, -.infinity, 0.5] { size.record(value) }
        #expect(registry.samples == [#"empty_bucket{le="+Inf"} 1"#, "empty_sum 0.5", "empty_count 1"])
    }

    @Test func `a histogram that saw nothing has all its buckets`() {
        _ = registry.histogram("size")
        #expect(registry.samples.map { $0.hasSuffix(" 0") } == [true, true, true, true, true])
    }

    @Test func `bounds fit the unit where none are given`() {
        _ = registry.timer("nap")
        _ = registry.histogram("bytes")
        #expect(registry.samples.contains(#"nap_seconds_bucket{le="0.005"} 0"#))
        #expect(registry.samples.contains(#"bytes_bucket{le="1000000000"} 0"#))
    }

    @Test func `timers are in seconds`() {
        let nap = registry.timer("nap")
        for nanoseconds in [1_500_000_000, 20_000_000, -7] as [Int64] { nap.recordNanoseconds(nanoseconds) }
        #expect(registry.value(#"nap_seconds_bucket{le="0.025"}"#) == 2)
        #expect(registry.value("nap_seconds_sum") == 1.52)
        #expect(registry.value("nap_seconds_count") == 3)
    }
}
