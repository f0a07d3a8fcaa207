// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Keeps a process' metrics, and renders them for Prometheus in its text exposition format, version 0.0.4.
///
/// ```swift
/// let registry = PrometheusRegistry(["tessera_leases": MetricDescription("Leases that are held.")])
/// registry.onScrape { $0.gauge("tessera_leases").set(leases.count) }
/// MetricsSystem.bootstrap(PrometheusFactory(registry))
/// ```
///
/// Any thread may call at any time. Getting a series takes two short locks, so code that runs often keeps the one it got;
/// changing a series takes none but its own.
///
/// Memory is bounded, whatever labels come: each metric has a limited number of series, each value a limited length, and
/// there is a limited number of metrics.
final class PrometheusRegistry: Sendable {
    /// The `Content-Type` of what is rendered.
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private let descriptions: [String: MetricDescription]
    private let seriesLimit: Int
    private let state = Mutex(State())

    private struct State {
        var families: [String: any RenderedFamily] = [:]
        /// The names of all samples; no two metrics have one in common.
        var sampleNames: Set<String> = []
        /// Some of the metrics that there is no place for.
        var refused: Set<String> = []
        var samplers: [@Sendable (PrometheusRegistry) -> Void] = []
    }

    /// The metrics that are kept. Names come from code, but code may put into a name what belongs into a label.
    private static let mostFamilies = 1000
    /// The names that are remembered of metrics that there was no place for.
    private static let mostRefused = 16

    /// Begins without metrics.
    ///
    /// - Parameters:
    ///   - descriptions: Help and buckets by the metrics' names as they are rendered. A metric that isn't in it is rendered
    ///     too, with a line of help that says so.
    ///   - seriesLimit: The sets of labels that a metric keeps apart; further ones share a series.
    init(_ descriptions: [String: MetricDescription] = [:], seriesLimit: Int = 1000) {
        self.descriptions = descriptions
        self.seriesLimit = seriesLimit
    }

    /// A counter; `_total` is added to a name without it.
    func counter(_ name: String, _ labels: [(String, String)] = []) -> CounterSeries {
        series(PrometheusName.counter(name), labels)
    }

    /// A gauge.
    func gauge(_ name: String, _ labels: [(String, String)] = []) -> GaugeSeries {
        series(PrometheusName.metric(name), labels)
    }

    /// A histogram of values in the unit in which they are recorded.
    func histogram(_ name: String, _ labels: [(String, String)] = []) -> HistogramSeries {
        series(PrometheusName.metric(name), labels)
    }

    /// A histogram of durations; `_seconds` is added to a name without it.
    func timer(_ name: String, _ labels: [(String, String)] = []) -> HistogramSeries {
        series(PrometheusName.timer(name), labels)
    }

    /// Forgets a series once it was given back as often as it was asked for.
    func giveBack<Series: MetricSeries>(_ series: Series) {
        let family = state.withLock { $0.families[series.id.name] }
        (family as? MetricFamily<Series>)?.giveBack(series)
    }

    /// Has a function called before each rendering, to set what is sampled: sizes, queues, counts that others keep.
    ///
    /// It is called on the thread that renders, by several at once if several do, and must not render itself. It gets the
    /// registry so that it needs no reference of its own, which would keep the registry alive for ever.
    func onScrape(_ sample: @escaping @Sendable (PrometheusRegistry) -> Void) {
        state.withLock { $0.samplers.append(sample) }
    }

    /// All metrics by name, and the series of each by labels: equal states give equal text.
    func render() -> String {
        for sample in state.withLock({ $0.samplers }) { sample(self) }
        let (families, refused) = state.withLock { ($0.families, $0.refused) }
        var exposition = Exposition()
        for (_, family) in families.sorted(by: { $0.key < $1.key }) { family.render(into: &exposition) }
        for name in refused.sorted() {
            exposition.comment("\(name) is left out: another metric has its name, or there are too many metrics.")
        }
        return exposition.text
    }

    /// Finds or makes a series. One that there is no place for counts as any other but is never rendered: better a gap than
    /// text that Prometheus refuses as a whole.
    private func series<Series: MetricSeries>(_ name: String, _ labels: [(String, String)]) -> Series {
        if let family: MetricFamily<Series> = family(name) { return family.series(labels) }
        return Series(SeriesID(name: name, labels: LabelSet(labels)), .missing(Series.kind))
    }

    /// Finds or makes a metric; nil when a name that it needs belongs to another one, or there are too many.
    private func family<Series: MetricSeries>(_ name: String) -> MetricFamily<Series>? {
        state.withLock { state in
            if let family = state.families[name] as? MetricFamily<Series> { return family }
            let names = Series.kind.sampleNames(of: name)
            guard state.families.count < Self.mostFamilies, state.sampleNames.isDisjoint(with: names) else {
                if state.refused.count < Self.mostRefused { state.refused.insert(name) }
                return nil
            }
            let description = descriptions[name] ?? .missing(Series.kind)
            let family = MetricFamily<Series>(name, description, limit: seriesLimit)
            state.families[name] = family
            state.sampleNames.formUnion(names)
            return family
        }
    }
}
