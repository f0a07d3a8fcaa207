// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Tracing

/// A span that becomes a line of a file when it ends.
final class FileSpan: Tracing.Span {
    private struct State {
        var name: String
        var attributes = SpanAttributes()
        var status: SpanStatus?
        var hasEnded = false
    }

    let context: ServiceContext
    private let place: TraceParent
    private let parent: TraceParent?
    private let kind: SpanKind
    private let start: UInt64
    private let tracer: FileTracer
    private let state: Mutex<State>

    init(_ name: String, _ context: ServiceContext, _ kind: SpanKind, start: UInt64, _ tracer: FileTracer) {
        let parent = context.traceParent
        let place = parent?.child ?? TraceParent()
        var own = context
        own.traceParent = place
        (self.context, self.place, self.parent) = (own, place, parent)
        (self.kind, self.start, self.tracer) = (kind, start, tracer)
        state = Mutex(State(name: name))
    }

    var isRecording: Bool { place.isSampled && !state.withLock { $0.hasEnded } }

    var operationName: String {
        get { state.withLock { $0.name } }
        set { state.withLock { $0.name = newValue } }
    }

    var attributes: SpanAttributes {
        get { state.withLock { $0.attributes } }
        set { state.withLock { $0.attributes = newValue } }
    }

    func setStatus(_ status: SpanStatus) { state.withLock { $0.status = status } }

    func addEvent(_ event: SpanEvent) {}

    func addLink(_ link: SpanLink) {}

    func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        // Its kind alone: a message may name what is none of a trace's business.
        state.withLock { $0.status = SpanStatus(code: .error, message: "\(type(of: error))") }
    }

    func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let end = instant().nanosecondsSinceEpoch
        let ended = state.withLock { state -> State? in
            guard !state.hasEnded else { return nil }
            state.hasEnded = true
            return state
        }
        guard let ended, place.isSampled, let line = try? line(ended, end: end) else { return }
        tracer.write(line)
    }

    private func line(_ state: State, end: UInt64) throws -> Data {
        var span: [String: Any] = [
            "traceId": place.trace, "spanId": place.span, "name": state.name, "kind": kind.number,
            "startTimeUnixNano": String(start), "endTimeUnixNano": String(end),
            "attributes": Self.encoded(state.attributes),
        ]
        span["parentSpanId"] = parent?.span
        if let status = state.status {
            span["status"] = ["code": status.code == .error ? 2 : 1, "message": status.message ?? ""]
        }
        let line: [String: Any] = [
            "resourceSpans": [
                [
                    "resource": ["attributes": [["key": "service.name", "value": ["stringValue": "tessera"]]]],
                    "scopeSpans": [["scope": ["name": "tessera"], "spans": [span]]],
                ]
            ]
        ]
        return try JSONSerialization.data(withJSONObject: line, options: [.withoutEscapingSlashes]) + Data("\n".utf8)
    }

    private static func encoded(_ attributes: SpanAttributes) -> [[String: Any]] {
        var encoded: [[String: Any]] = []
        attributes.forEach { key, value in
            let form: [String: Any]
            switch value {
            case .int32(let number): form = ["intValue": String(number)]
            case .int64(let number): form = ["intValue": String(number)]
            case .double(let number) where number.isFinite: form = ["doubleValue": number]
            case .bool(let flag): form = ["boolValue": flag]
            case .string(let text): form = ["stringValue": text]
            case .stringConvertible(let value): form = ["stringValue": "\(value)"]
            default: return
            }
            encoded.append(["key": key, "value": form])
        }
        return encoded
    }
}

extension SpanKind {
    /// The kind's number in the protocol.
    fileprivate var number: Int {
        switch self {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }
}
