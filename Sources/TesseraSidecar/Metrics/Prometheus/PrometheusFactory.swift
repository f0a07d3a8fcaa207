// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics

/// Makes swift-metrics' instruments in a registry, for `MetricsSystem.bootstrap(_:)`.
///
/// A recorder that aggregates becomes a histogram and one that doesn't a gauge; timers become histograms in seconds,
/// whatever unit they prefer to be displayed in. Destroying an instrument takes its series out when no other instrument
/// has the same name and labels.
struct PrometheusFactory: MetricsFactory {
    private let registry: PrometheusRegistry

    /// Makes instruments in a registry.
    init(_ registry: PrometheusRegistry) {
        self.registry = registry
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        registry.counter(label, dimensions)
    }

    func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        registry.counter(label, dimensions)
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        registry.gauge(label, dimensions)
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate ? registry.histogram(label, dimensions) : registry.gauge(label, dimensions)
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        registry.timer(label, dimensions)
    }

    func destroyCounter(_ handler: any CounterHandler) { giveBack(handler) }

    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { giveBack(handler) }

    func destroyMeter(_ handler: any MeterHandler) { giveBack(handler) }

    func destroyRecorder(_ handler: any RecorderHandler) { giveBack(handler) }

    func destroyTimer(_ handler: any TimerHandler) { giveBack(handler) }

    /// Handlers of other factories are none of ours.
    private func giveBack(_ handler: AnyObject) {
        switch handler {
        case let series as CounterSeries: registry.giveBack(series)
        case let series as GaugeSeries: registry.giveBack(series)
        case let series as HistogramSeries: registry.giveBack(series)
        default: break
        }
    }
}
