// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import Synchronization

/// A number that only grows.
///
/// Whole amounts and fractions are summed apart, so that a counter of bytes stays exact where doubles no longer are.
final class CounterSeries: MetricSeries, CounterHandler, FloatingPointCounterHandler {
    static let kind = MetricKind.counter

    let id: SeriesID
    private let whole = Atomic<UInt64>(0)
    /// The bits of a double: all that was added by ``increment(by:)-(Double)``.
    private let fractions = Atomic<UInt64>(0)

    init(_ id: SeriesID, _ description: MetricDescription) {
        self.id = id
    }

    /// Adds an amount, one by default.
    func increment(by amount: Int = 1) { increment(by: Int64(amount)) }

    /// Adds an amount. A negative one is ignored, and at its largest number the counter stays.
    func increment(by amount: Int64) {
        guard amount > 0 else { return }
        whole.update { present in
            let (sum, overflows) = present.addingReportingOverflow(UInt64(amount))
            return overflows ? .max : sum
        }
    }

    /// Adds an amount. What is negative, infinite or no number is ignored.
    func increment(by amount: Double) {
        guard amount > 0, amount.isFinite else { return }
        fractions.add(amount)
    }

    /// Brings the counter up to what somebody else counted, for numbers that are read at scrape time. A smaller number
    /// leaves it as it is.
    func raise(to total: UInt64) {
        whole.max(total, ordering: .relaxed)
    }

    /// Begins again at zero, which Prometheus takes for a restart of the process.
    func reset() {
        whole.store(0, ordering: .relaxed)
        fractions.store(0.0)
    }

    func render(into exposition: inout Exposition) {
        let whole = whole.load(ordering: .relaxed)
        let fractions = fractions.double
        let value = fractions == 0 ? String(whole) : (Double(whole) + fractions).exposed
        exposition.sample(id.name, id.labels.text, value)
    }
}
