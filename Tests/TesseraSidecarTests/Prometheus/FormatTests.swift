// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TesseraSidecar

@Suite struct FormatTests {
    @Test func `a metric has its help its type and its samples`() {
        let registry = PrometheusRegistry(["cats_total": MetricDescription("Cats that came in.")])
        registry.counter("cats_total", [("fur", "black")]).increment(by: 2)
        registry.counter("cats", [("fur", "white")]).increment(by: 1)
        #expect(
            registry.render() == """
                # HELP cats_total Cats that came in.
                # TYPE cats_total counter
                cats_total{fur="black"} 2
                cats_total{fur="white"} 1

                """)
    }

    @Test func `nothing is rendered of nothing`() {
        #expect(PrometheusRegistry(["cats": MetricDescription("Cats.")]).render().isEmpty)
    }

    @Test func `a metric that nobody described has a help line too`() {
        let registry = PrometheusRegistry()
        registry.gauge("cats").set(1)
        #expect(registry.lines.first == "# HELP cats A gauge without a description.")
    }

    @Test func `metrics and labels come in order however they were made`() {
        let names = ["b", "a", "c"]
        let one = PrometheusRegistry()
        let other = PrometheusRegistry()
        for name in names { for label in names { one.gauge(name, [("x", label), ("y", "1")]).set(1) } }
        for name in names.reversed() { for label in names { other.gauge(name, [("y", "1"), ("x", label)]).set(1) } }
        #expect(one.render() == other.render())
        #expect(one.samples == one.samples.sorted() && one.samples.count == 9)
    }

    @Test(arguments: [
        (#"a\b"#, #"a\\b"#), (#"say "cat""#, #"say \"cat\""#), ("a\nb", #"a\nb"#), ("a\r\nb", "a\r\\nb"),
        ("\\n", #"\\n"#), ("Käse 🐈", "Käse 🐈"), ("{a=b},", "{a=b},"), ("a\u{0}b", "a\u{0}b"),
    ])
    func `label values are escaped`(_ value: String, _ rendered: String) {
        #expect(LabelSet([("cat", value)]).text == "cat=\"\(rendered)\"")
    }

    @Test func `help is escaped but for quotes`() {
        let registry = PrometheusRegistry(["cats": MetricDescription("a \\ \"b\"\nc\r\nd")])
        registry.gauge("cats").set(1)
        #expect(registry.render().hasPrefix("# HELP cats a \\\\ \"b\"\\nc\r\\nd\n# TYPE cats gauge\n"))
    }

    @Test(arguments: [
        (Double.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"), (-.nan, "NaN"), (0, "0"), (-0.0, "0"), (1, "1"),
        (-17, "-17"), (0.25, "0.25"), (1e-9, "1e-09"), (1e300, "1e+300"), (0x1p52, "4503599627370496"),
    ])
    func `numbers are rendered as other clients do`(_ number: Double, _ rendered: String) {
        let registry = PrometheusRegistry()
        registry.gauge("cats").set(number)
        #expect(registry.samples == ["cats \(rendered)"])
        #expect(Double(rendered).map { $0 == number || $0.isNaN && number.isNaN } == true)
    }
}
