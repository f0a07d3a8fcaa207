// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TesseraSidecar

@Suite struct RegistryTests {
    @Test func `labels beyond the limit share a series`() {
        let registry = PrometheusRegistry(seriesLimit: 3)
        for number in 0..<100 {
            registry.counter("cats", [("a", "\(number)"), ("b", "x")]).increment()
        }
        registry.counter("cats", [("c", "more")]).increment()
        registry.counter("cats", [("a", "1"), ("b", "x")]).increment()
        #expect(
            registry.samples == [
                #"cats_total{a="0",b="x"} 1"#, #"cats_total{a="1",b="x"} 2"#, #"cats_total{a="2",b="x"} 1"#,
                #"cats_total{a="other",b="other"} 98"#,
            ])
    }

    @Test func `by default there are a thousand series and one`() {
        let registry = PrometheusRegistry()
        for number in 0..<3000 { registry.gauge("cats", [("name", "\(number)")]).set(1) }
        #expect(registry.samples.count == 1001)
    }

    @Test func `labels that are called other are not rendered twice`() {
        let registry = PrometheusRegistry(seriesLimit: 2)
        for name in ["other", "tom", "tim", "tam"] {
            registry.counter("cats", [("name", name)]).increment()
        }
        #expect(registry.samples == [#"cats_total{name="other"} 3"#, #"cats_total{name="tom"} 1"#])
    }

    @Test func `the shared series stays when one of its users gives it back`() {
        let registry = PrometheusRegistry(seriesLimit: 0)
        let cat = registry.counter("cats", [("name", "tom")])
        registry.counter("cats", [("name", "tim")]).increment()
        registry.giveBack(cat)
        #expect(registry.samples == [#"cats_total{name="other"} 1"#])
    }

    @Test func `a series that was given back makes room`() {
        let registry = PrometheusRegistry(seriesLimit: 1)
        for name in ["tom", "tim"] {
            let cat = registry.gauge("cats", [("name", name)])
            #expect(registry.samples == [#"cats{name="\#(name)"} 0"#])
            registry.giveBack(cat)
        }
    }

    @Test func `gauges are sampled as often as they are rendered`() {
        let registry = PrometheusRegistry()
        registry.onScrape { registry in
            registry.gauge("cats").increment(by: 1)
            registry.counter("scrapes").raise(to: 7)
        }
        registry.onScrape { $0.gauge("dogs").set(2) }
        #expect(registry.samples == ["cats 1", "dogs 2", "scrapes_total 7"])
        #expect(registry.samples == ["cats 2", "dogs 2", "scrapes_total 7"])
    }

    @Test func `samplers don't keep the registry alive`() {
        weak var left: PrometheusRegistry?
        do {
            let registry = PrometheusRegistry()
            registry.onScrape { $0.gauge("cats").set(1) }
            #expect(registry.samples.count == 1)
            left = registry
        }
        #expect(left == nil)
    }

    @Test func `no two metrics have a name in common`() {
        let registry = PrometheusRegistry()
        registry.gauge("cats").set(1)
        registry.histogram("cats").record(1.0)
        registry.gauge("nap_seconds_sum").set(1)
        registry.timer("nap").record(1.0)
        _ = registry.histogram("size")
        registry.gauge("size_count").set(5)
        let lines = registry.lines
        #expect(lines.count { $0.hasPrefix("# TYPE") } == 3)
        #expect(registry.samples.contains("cats 1") && !registry.samples.contains("size_count 5"))
        #expect(
            lines.suffix(3).map { $0.prefix { $0 != ":" } } == [
                "# cats is left out", "# nap_seconds is left out", "# size_count is left out",
            ])
    }

    @Test func `metrics are limited too`() {
        let registry = PrometheusRegistry()
        for number in 0..<5000 { registry.gauge("cats\(number)").set(1) }
        #expect(registry.samples.count == 1000)
        #expect(registry.lines.count == 3016)
    }
}
