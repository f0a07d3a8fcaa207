// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TesseraSidecar

@Suite struct NameTests {
    @Test(arguments: [
        ("cats", "cats"), ("http.server-requests", "http_server_requests"), ("rule:cats", "rule:cats"),
        ("9lives", "_9lives"), ("", "_"), ("Käse", "K_se"), ("🐈", "_"), ("a\nb{c=\"d\"} 1", "a_b_c__d___1"),
        ("_A_z09", "_A_z09"),
    ])
    func `metrics get names that Prometheus takes`(_ label: String, _ name: String) {
        #expect(PrometheusName.metric(label) == name)
    }

    @Test(arguments: [
        ("cat", "cat"), ("rule:cat", "rule_cat"), ("9", "_9"), ("", "_"), ("__name__", "_name__"), ("le", "le_"),
        ("level", "level"), ("é", "_"), ("_x", "_x"), ("__", "_"), ("😀😀", "_"),
    ])
    func `labels get names that Prometheus takes and doesn't use itself`(_ label: String, _ name: String) {
        #expect(PrometheusName.label(label) == name)
    }

    @Test func `suffixes are added where they lack`() {
        #expect(PrometheusName.counter("cats") == "cats_total")
        #expect(PrometheusName.counter("cats.total") == "cats_total")
        #expect(PrometheusName.timer("nap") == "nap_seconds")
        #expect(PrometheusName.timer("nap_seconds") == "nap_seconds")
    }

    @Test func `an empty value is no label and of two values the later counts`() {
        #expect(LabelSet([("a", ""), ("b", "1")]) == LabelSet([("b", "1")]))
        #expect(LabelSet([("a-b", "1"), ("a.b", "2")]).text == "a_b=\"2\"")
        #expect(LabelSet([("a", "1"), ("a", "")]).text.isEmpty)
    }

    @Test func `long values are cut at the end of a character`() {
        let cat = "🐈"
        let text = LabelSet([("a", "x" + String(repeating: cat, count: 100_000))]).text
        #expect(text == "a=\"x" + String(repeating: cat, count: 63) + "\"")
        let longest = String(repeating: "y", count: LabelSet.longestValue)
        #expect(LabelSet([("a", longest)]).text == "a=\"\(longest)\"")
        #expect(LabelSet([("a", longest + "z")]).text == "a=\"\(longest)\"")
    }
}
