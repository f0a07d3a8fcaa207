// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Testing

@testable import TesseraSidecar

@Suite struct FactoryTests {
    let registry = PrometheusRegistry()
    var factory: PrometheusFactory { PrometheusFactory(registry) }

    @Test func `every instrument of swift-metrics has its form`() {
        Counter(label: "a", dimensions: [("cat", "tom")], factory: factory).increment(by: 2)
        FloatingPointCounter(label: "b", factory: factory).increment(by: 0.5)
        Meter(label: "c", factory: factory).set(3)
        Gauge(label: "d", factory: factory).record(4.5)
        Recorder(label: "e", aggregate: true, factory: factory).record(5)
        Recorder(label: "f", aggregate: false, factory: factory).record(6)
        Timer(label: "g", factory: factory).recordMilliseconds(1500)
        let samples = registry.samples.filter { !$0.contains("_bucket") }
        #expect(
            samples == [
                #"a_total{cat="tom"} 2"#, "b_total 0.5", "c 3", "d 4.5", "e_sum 5", "e_count 1", "f 6",
                "g_seconds_sum 1.5", "g_seconds_count 1",
            ])
    }

    @Test func `whole and fractional counters of one name are one`() {
        Counter(label: "a", factory: factory).increment()
        FloatingPointCounter(label: "a", factory: factory).increment(by: 0.5)
        #expect(registry.samples == ["a_total 1.5"])
    }

    @Test func `a preferred unit changes nothing`() {
        let timer = Timer(label: "nap", preferredDisplayUnit: .milliseconds, factory: factory)
        timer.recordSeconds(2)
        #expect(registry.value("nap_seconds_sum") == 2)
    }

    @Test func `what is destroyed isn't rendered`() {
        let counter = Counter(label: "a", factory: factory)
        let half = FloatingPointCounter(label: "b", factory: factory)
        let meter = Meter(label: "c", factory: factory)
        let recorder = Recorder(label: "d", factory: factory)
        let timer = Timer(label: "e", factory: factory)
        #expect(registry.lines.count { $0.hasPrefix("# TYPE") } == 5)
        counter.destroy()
        half.destroy()
        meter.destroy()
        recorder.destroy()
        timer.destroy()
        #expect(registry.render().isEmpty)
    }

    @Test func `a series lasts until the last of its instruments is destroyed`() {
        let one = Counter(label: "a", factory: factory)
        let other = Counter(label: "a", factory: factory)
        one.destroy()
        other.increment()
        #expect(registry.samples == ["a_total 1"])
        other.destroy()
        other.destroy()
        #expect(registry.samples.isEmpty)
    }

    @Test func `handlers of other factories are left alone`() {
        let counter = Counter(label: "a", factory: factory)
        PrometheusFactory(PrometheusRegistry()).destroyCounter(registry.counter("a"))
        factory.destroyCounter(NOOPMetricsHandler.instance)
        counter.increment()
        #expect(registry.samples == ["a_total 1"])
    }
}
