// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import Tracing

/// Where a span stands in a trace, as it goes from process to process.
///
/// W3C Trace Context, §3.2: `00-<32 digits>-<16 digits>-<flags>`.
struct TraceParent: Sendable, Equatable {
    /// The trace: 32 hexadecimal digits, not all zero.
    let trace: String
    /// The span: 16 hexadecimal digits, not all zero.
    let span: String
    /// Whether the trace is recorded.
    let isSampled: Bool

    /// The header's name.
    static let header = "traceparent"

    /// The root of a new trace.
    init() {
        self.init(trace: Self.digits(2), isSampled: true)
    }

    /// A new span below this one.
    var child: TraceParent { TraceParent(trace: trace, isSampled: isSampled) }

    private init(trace: String, isSampled: Bool) {
        (self.trace, span, self.isSampled) = (trace, Self.digits(1), isSampled)
    }

    /// Reads a header; nil for what is none, which begins a new trace.
    init?(_ text: String) {
        let fields = text.split(separator: "-", omittingEmptySubsequences: false)
        guard fields.count >= 4, fields[0].count == 2, fields[0] != "ff", fields.count == 4 || fields[0] != "00",
            Self.isIdentifier(fields[1], digits: 32), Self.isIdentifier(fields[2], digits: 16), fields[3].count == 2,
            let flags = UInt8(fields[3], radix: 16)
        else { return nil }
        (trace, span, isSampled) = (String(fields[1]), String(fields[2]), flags & 1 == 1)
    }

    /// The header.
    var text: String { "00-\(trace)-\(span)-\(isSampled ? "01" : "00")" }

    private static func isIdentifier(_ text: Substring, digits: Int) -> Bool {
        text.utf8.count == digits && text.contains { $0 != "0" }
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    private static func digits(_ words: Int) -> String {
        (0..<words).map { _ in
            withUnsafeBytes(of: UInt64.random(in: 1...UInt64.max)) { [UInt8]($0).hexadecimal }
        }.joined()
    }
}

/// Carries a span's place along with a task.
private enum TraceParentKey: ServiceContextKey {
    typealias Value = TraceParent
}

extension ServiceContext {
    /// Where the current span stands; nil outside of a trace.
    var traceParent: TraceParent? {
        get { self[TraceParentKey.self] }
        set { self[TraceParentKey.self] = newValue }
    }
}
