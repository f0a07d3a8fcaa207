// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Dispatch
import Synchronization
import Testing

@testable import TesseraSidecar

@Suite struct ConcurrencyTests {
    static let threads = 16
    static let rounds = 2000
    let registry = PrometheusRegistry()

    @Test func `nothing is lost when many threads count`() {
        let factory = PrometheusFactory(registry)
        DispatchQueue.concurrentPerform(iterations: Self.threads) { thread in
            let counter = Counter(label: "whole", factory: factory)
            let fractions = FloatingPointCounter(label: "halves", factory: factory)
            let meter = Meter(label: "gauge", factory: factory)
            let timer = Timer(label: "nap", factory: factory)
            for _ in 0..<Self.rounds {
                counter.increment(by: 3)
                fractions.increment(by: 0.5)
                meter.increment(by: 2)
                meter.decrement(by: 1)
                timer.recordSeconds(thread % 2 == 0 ? 1 : 20)
            }
        }
        let total = Double(Self.threads * Self.rounds)
        #expect(registry.value("whole_total") == 3 * total)
        #expect(registry.value("halves_total") == total / 2)
        #expect(registry.value("gauge") == total)
        #expect(registry.value(#"nap_seconds_bucket{le="1"}"#) == total / 2)
        #expect(registry.value("nap_seconds_count") == total)
        #expect(registry.value("nap_seconds_sum") == total * 10.5)
    }

    @Test func `nothing is lost when many threads make the same series`() {
        let registry = PrometheusRegistry(seriesLimit: 5)
        DispatchQueue.concurrentPerform(iterations: Self.threads) { _ in
            for round in 0..<Self.rounds {
                registry.counter("cats", [("name", "\(round % 20)")]).increment()
            }
        }
        #expect(registry.samples.count == 6)
        let sum = registry.samples.compactMap { $0.split(separator: " ").last }.compactMap { Int($0) }.reduce(0, +)
        #expect(sum == Self.threads * Self.rounds)
    }

    @Test func `what is rendered meanwhile never falls and agrees with itself`() {
        let isDone = Atomic(false)
        let (counter, nap) = (registry.counter("cats"), registry.timer("nap"))
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            if thread > 0 {
                for _ in 0..<Self.rounds {
                    counter.increment()
                    nap.record(2.0)
                }
                return isDone.store(true, ordering: .relaxed)
            }
            var last = 0.0
            while !isDone.load(ordering: .relaxed) {
                let samples = registry.samples
                let value = { (name: String) in
                    samples.first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) } ?? -1
                }
                #expect(value("cats_total") >= last)
                last = value("cats_total")
                #expect(value("nap_seconds_count") * 2 == value("nap_seconds_sum"))
                #expect(value("nap_seconds_count") == value(#"nap_seconds_bucket{le="+Inf"}"#))
            }
        }
        #expect(registry.value("cats_total") == Double(3 * Self.rounds))
    }

    @Test func `series come and go under the renderer`() {
        let factory = PrometheusFactory(registry)
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            for round in 0..<500 {
                if thread == 0 { _ = registry.render() }
                let meter = Meter(label: "m", dimensions: [("n", "\(round % 7)")], factory: factory)
                meter.set(1)
                meter.destroy()
            }
        }
        #expect(registry.render().isEmpty)
    }
}
