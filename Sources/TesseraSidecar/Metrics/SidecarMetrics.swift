// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import Metrics
internal import Synchronization
internal import Tessera
internal import TesseraAPI

/// What the sidecar counts and measures. Hits and what was asked for are counted apart: a ratio can be made of two
/// counters, over any time, and not the other way round.
struct SidecarMetrics: Sendable {
    /// The registry that all of it is rendered from.
    let registry: PrometheusRegistry
    private let factory: any MetricsFactory
    private let known = KnownInstruments()
    private let firstToken: Metrics.Timer
    private let stages: [(path: @Sendable (ReuseReport.Stages) -> Double, timer: Metrics.Timer)]

    init() {
        registry = PrometheusRegistry(Self.descriptions)
        let factory = PrometheusFactory(registry)
        self.factory = factory
        firstToken = Metrics.Timer(label: "tessera_time_to_first_token", dimensions: [], factory: factory)
        func stage(
            _ name: String, _ path: @escaping @Sendable (ReuseReport.Stages) -> Double
        ) -> (path: @Sendable (ReuseReport.Stages) -> Double, timer: Metrics.Timer) {
            (path, Metrics.Timer(label: "tessera_stage", dimensions: [("stage", name)], factory: factory))
        }
        stages = [
            stage("tokenize") { $0.tokenize }, stage("queue") { $0.queue }, stage("plan") { $0.plan },
            stage("load") { $0.load }, stage("prefill") { $0.prefill }, stage("decode") { $0.decode },
        ]
        for name in Self.plainCounters { _ = registry.counter(name) }
        for reason in Self.rejections { _ = registry.counter("tessera_rejected_requests", [("reason", reason)]) }
    }

    /// Counts a request that was answered.
    ///
    /// - Parameters:
    ///   - seconds: From its head to the end of its answer.
    ///   - overhead: What of it was spent outside of the engine and the queue; nil where that isn't known.
    func count(route: String, method: String, status: Int, seconds: Double, overhead: Double?) {
        let request = known.requests.withLock { requests in
            let key = RequestInstruments.Key(route: route, method: method, status: status)
            if let instruments = requests[key] { return instruments }
            let instruments = RequestInstruments(key, factory)
            requests[key] = instruments
            return instruments
        }
        request.count.increment()
        request.time.recordSeconds(seconds)
        if let overhead {
            Metrics.Timer(label: "tessera_overhead", dimensions: [("route", route)], factory: factory)
                .recordSeconds(overhead)
        }
        if let reason = Self.rejection(of: status) {
            Counter(label: "tessera_rejected_requests", dimensions: [("reason", reason)], factory: factory).increment()
        }
    }

    /// Counts an answer.
    func count(_ report: ReuseReport, generated: Int, namespace: String) {
        firstToken.recordSeconds(report.timeToFirstToken)
        for stage in stages { stage.timer.recordSeconds(stage.path(report.stages)) }
        let contexts = report.explanation.contexts
        let counters = counters(of: namespace)
        counters.promptTokens.increment(by: report.promptTokens)
        counters.prefixTokens.increment(by: report.prefixTokens)
        counters.requestedChunkTokens.increment(by: contexts.reduce(0) { $0 + $1.tokens })
        counters.hitChunkTokens.increment(by: report.reusedTokens)
        counters.recomputedTokens.increment(by: report.recomputedTokens)
        counters.generatedTokens.increment(by: generated)
        counters.loadedBytes.increment(by: report.bytesLoaded)
        counters.requestedChunks.increment(by: contexts.count)
        counters.hitChunks.increment(by: report.hits)
    }

    /// Counts a plan for a runtime elsewhere.
    func count(_ plan: Plan, loaded: Int = 0, namespace: String) {
        let hits = plan.chunks.filter(\.reuse)
        let counters = counters(of: namespace)
        counters.promptTokens.increment(by: plan.promptTokens)
        counters.prefixTokens.increment(by: plan.prefixTokens)
        counters.requestedChunkTokens.increment(by: plan.chunks.reduce(0) { $0 + $1.tokens })
        counters.hitChunkTokens.increment(by: hits.reduce(0) { $0 + $1.tokens })
        counters.recomputedTokens.increment(by: plan.selection.positions.count)
        counters.loadedBytes.increment(by: loaded)
        counters.requestedChunks.increment(by: plan.chunks.count)
        counters.hitChunks.increment(by: hits.count)
    }

    private func counters(of namespace: String) -> NamespaceCounters {
        known.namespaces.withLock { namespaces in
            if let counters = namespaces[namespace] { return counters }
            let counters = NamespaceCounters(namespace, factory)
            namespaces[namespace] = counters
            return counters
        }
    }

    private static func rejection(of status: Int) -> String? {
        switch status {
        case 401: "unauthenticated"
        case 403: "forbidden"
        case 413: "too_large"
        case 429: "busy"
        case 503: "unavailable"
        case 507: "full"
        default: nil
        }
    }

    private static let rejections = ["unauthenticated", "forbidden", "too_large", "busy", "unavailable", "full"]
    private static let plainCounters = [
        "tessera_evicted_records", "tessera_expired_records", "tessera_demoted_records", "tessera_damaged_records",
        "tessera_failed_reads",
    ]
}

extension Metrics.Timer {
    /// Records a duration that is known in seconds.
    func recordSeconds(_ seconds: Double) {
        recordNanoseconds(Int64(max(0, seconds) * 1e9))
    }
}

/// Instruments that were made before: making one sorts its labels and looks it up.
private final class KnownInstruments: Sendable {
    let requests = Mutex<[RequestInstruments.Key: RequestInstruments]>([:])
    let namespaces = Mutex<[String: NamespaceCounters]>([:])
}

/// What is counted and measured of all requests of one kind.
private struct RequestInstruments: Sendable {
    struct Key: Hashable {
        var route: String
        var method: String
        var status: Int
    }

    let count: Counter
    let time: Metrics.Timer

    init(_ key: Key, _ factory: any MetricsFactory) {
        count = Counter(
            label: "tessera_requests",
            dimensions: [("route", key.route), ("method", key.method), ("status", String(key.status))],
            factory: factory)
        time = Metrics.Timer(label: "tessera_request", dimensions: [("route", key.route)], factory: factory)
    }
}

/// What is counted of a namespace.
private struct NamespaceCounters: Sendable {
    let promptTokens, prefixTokens, requestedChunkTokens, hitChunkTokens, recomputedTokens: Counter
    let generatedTokens, loadedBytes, requestedChunks, hitChunks: Counter

    init(_ namespace: String, _ factory: any MetricsFactory) {
        func counter(_ name: String) -> Counter {
            Counter(label: "tessera_\(name)", dimensions: [("namespace", namespace)], factory: factory)
        }
        promptTokens = counter("prompt_tokens")
        prefixTokens = counter("prefix_tokens")
        requestedChunkTokens = counter("requested_chunk_tokens")
        hitChunkTokens = counter("hit_chunk_tokens")
        recomputedTokens = counter("recomputed_tokens")
        generatedTokens = counter("generated_tokens")
        loadedBytes = counter("loaded_bytes")
        requestedChunks = counter("requested_chunks")
        hitChunks = counter("hit_chunks")
    }
}
