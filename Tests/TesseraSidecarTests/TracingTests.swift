// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraTestSupport
import Testing
import Tracing

@testable import TesseraSidecar

struct `spans` {
    @Test func `a traceparent is read strictly`() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let parent = TraceParent(text)
        #expect(parent?.text == text && parent?.isSampled == true)
        #expect(TraceParent(text.dropLast(2) + "00")?.isSampled == false)
        // A later version may say more.
        #expect(TraceParent("01" + text.dropFirst(2) + "-more")?.trace == parent?.trace)
        for wrong in [
            "", "00", text.uppercased(), "ff" + text.dropFirst(2), text + "-more", String(text.dropLast()),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b70-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-zz",
        ] {
            #expect(TraceParent(wrong) == nil, "\(wrong)")
        }
        #expect(TraceParent() != TraceParent() && TraceParent(TraceParent().text) != nil)
    }

    @Test func `become lines that name their parents`() throws {
        try withTemporaryDirectory { folder in
            let file = folder.appendingPathComponent("spans.json")
            let tracer = try FileTracer(file.path)
            var context = ServiceContext.topLevel
            struct Headers: Extractor {
                func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
            }
            let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            tracer.extract(["traceparent": caller], into: &context, using: Headers())
            tracer.withSpan("outer", context: context, ofKind: .server) { outer in
                outer.attributes["tokens"] = 7
                tracer.withSpan("inner", context: outer.context) { _ in }
            }
            context.traceParent = TraceParent(caller.dropLast(2) + "00")
            tracer.withSpan("not sampled", context: context) { _ in }
            tracer.forceFlush()
            let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            let spans = try lines.map { try span($0) }
            #expect(spans.map { $0["name"] as? String } == ["inner", "outer"])
            #expect(spans.allSatisfy { $0["traceId"] as? String == "4bf92f3577b34da6a3ce929d0e0e4736" })
            #expect(spans[1]["parentSpanId"] as? String == "00f067aa0ba902b7")
            #expect(spans[0]["parentSpanId"] as? String == spans[1]["spanId"] as? String)
            #expect("\(spans[1]["attributes"] ?? "")".contains("intValue = 7") || lines[1].contains(#""intValue":"7""#))
        }
    }

    private func span(_ line: Substring) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let resource = (object?["resourceSpans"] as? [[String: Any]])?.first
        let scope = (resource?["scopeSpans"] as? [[String: Any]])?.first
        return try #require((scope?["spans"] as? [[String: Any]])?.first)
    }
}
