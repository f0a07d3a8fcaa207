// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import Metrics
internal import Tessera
internal import TesseraAPI

/// What the sidecar counts and measures. Hits and what was asked for are counted apart: a ratio can be made of two
/// counters, over any time, and not the other way round.
struct SidecarMetrics: Sendable {
    /// The registry that all of it is rendered from.
    let registry: PrometheusRegistry
    private let factory: any MetricsFactory
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
        Counter(
            label: "tessera_requests",
            dimensions: [("route", route), ("method", method), ("status", String(status))], factory: factory
        ).increment()
        Metrics.Timer(label: "tessera_request", dimensions: [("route", route)], factory: factory)
            .recordSeconds(seconds)
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
        let counts = [
            ("prompt_tokens", report.promptTokens), ("prefix_tokens", report.prefixTokens),
            ("requested_chunk_tokens", contexts.reduce(0) { $0 + $1.tokens }),
            ("hit_chunk_tokens", report.reusedTokens), ("recomputed_tokens", report.recomputedTokens),
            ("generated_tokens", generated), ("loaded_bytes", report.bytesLoaded),
            ("requested_chunks", contexts.count), ("hit_chunks", report.hits),
        ]
        for (name, amount) in counts { add(amount, name, namespace) }
    }

    /// Counts a plan for a runtime elsewhere.
    func count(_ plan: Plan, loaded: Int = 0, namespace: String) {
        let hits = plan.chunks.filter(\.reuse)
        let counts = [
            ("prompt_tokens", plan.promptTokens), ("prefix_tokens", plan.prefixTokens),
            ("requested_chunk_tokens", plan.chunks.reduce(0) { $0 + $1.tokens }),
            ("hit_chunk_tokens", hits.reduce(0) { $0 + $1.tokens }),
            ("recomputed_tokens", plan.selection.positions.count), ("loaded_bytes", loaded),
            ("requested_chunks", plan.chunks.count), ("hit_chunks", hits.count),
        ]
        for (name, amount) in counts { add(amount, name, namespace) }
    }

    private func add(_ amount: Int, _ name: String, _ namespace: String) {
        registry.counter("tessera_\(name)", [("namespace", namespace)]).increment(by: amount)
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
