// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import Synchronization

/// A number that goes up and down: the last one that was set.
final class GaugeSeries: MetricSeries, MeterHandler, RecorderHandler {
    static let kind = MetricKind.gauge

    let id: SeriesID
    /// The bits of a double.
    private let value = Atomic<UInt64>(0)

    init(_ id: SeriesID, _ description: MetricDescription) {
        self.id = id
    }

    /// Puts another number in the place of the last one.
    func set(_ value: Int) { set(Double(value)) }

    func set(_ value: Int64) { set(Double(value)) }

    /// Puts another number in the place of the last one; infinities and NaN are rendered as such.
    func set(_ value: Double) { self.value.store(value) }

    /// Adds an amount. As in swift-metrics' own meter, what isn't finite and above zero is ignored.
    func increment(by amount: Double) {
        guard amount > 0, amount.isFinite else { return }
        value.add(amount)
    }

    /// Takes an amount away. As in swift-metrics' own meter, what isn't finite and above zero is ignored.
    func decrement(by amount: Double) {
        guard amount > 0, amount.isFinite else { return }
        value.add(-amount)
    }

    func record(_ value: Int64) { set(value) }

    func record(_ value: Double) { set(value) }

    func render(into exposition: inout Exposition) {
        exposition.sample(id.name, id.labels.text, value.double.exposed)
    }
}
