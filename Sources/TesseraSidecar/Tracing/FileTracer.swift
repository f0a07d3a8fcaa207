// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Foundation
internal import TesseraKV
internal import Tracing

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// Writes spans to a file, one a line in OpenTelemetry's JSON encoding of its protocol (OTLP), which the collector's
/// `otlp_json_file` receiver reads. A caller's `traceparent` is taken up.
///
/// There is no exporter among the packages that Swift servers of today could take without a second HTTP stack; a file needs
/// nothing, and whoever collects traces has a collector.
struct FileTracer: Tracer {
    private let file: FileHandle
    private let queue = DispatchQueue(label: "tessera.spans")

    /// Opens the file, or makes it; what is there stays.
    init(_ path: String) throws(TesseraError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw TesseraError(.io, "couldn't open the span file \(path): \(String(cString: strerror(errno)))")
        }
        file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file: String, line: UInt
    ) -> FileSpan {
        FileSpan(operationName, context(), kind, start: instant().nanosecondsSinceEpoch, self)
    }

    /// Adds a line. What can't be written is lost: answers don't wait for a disk.
    func write(_ line: Data) {
        queue.async { [file] in try? file.write(contentsOf: line) }
    }

    func forceFlush() { queue.sync {} }

    func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        context.traceParent = extractor.extract(key: TraceParent.header, from: carrier).flatMap(TraceParent.init)
    }

    func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let parent = context.traceParent else { return }
        injector.inject(parent.text, forKey: TraceParent.header, into: &carrier)
    }
}
