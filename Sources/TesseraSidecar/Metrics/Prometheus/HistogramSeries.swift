// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import Synchronization

/// How often values fell into which ranges, and their sum.
final class HistogramSeries: MetricSeries, RecorderHandler, TimerHandler {
    static let kind = MetricKind.histogram

    let id: SeriesID
    /// The upper bounds of all buckets but the last one, which is infinite.
    private let bounds: [Double]
    private let tally: Mutex<Tally>

    /// Under one lock, so that a scrape finds buckets, count and sum of the same moment.
    private struct Tally {
        /// Values per bucket, not cumulative yet.
        var counts: [UInt64]
        var sum = 0.0
    }

    init(_ id: SeriesID, _ description: MetricDescription) {
        self.id = id
        bounds = description.bounds(for: id.name)
        tally = Mutex(Tally(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    func record(_ value: Int64) { record(Double(value)) }

    /// Counts a value. What isn't finite is ignored, as the sum could never recover from it.
    func record(_ value: Double) {
        guard value.isFinite else { return }
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        tally.withLock {
            $0.counts[bucket] += 1
            $0.sum += value
        }
    }

    /// Counts a duration in seconds. One below zero, from a clock that was set back, is none at all.
    func recordNanoseconds(_ duration: Int64) {
        record(Double(max(0, duration)) / 1e9)
    }

    func render(into exposition: inout Exposition) {
        let tally = tally.withLock { $0 }
        let labels = id.labels.text
        let prefix = labels.isEmpty ? "" : labels + ","
        var count: UInt64 = 0
        for (bound, added) in zip(bounds + [.infinity], tally.counts) {
            count += added
            exposition.sample(id.name + "_bucket", "\(prefix)le=\"\(bound.exposed)\"", String(count))
        }
        exposition.sample(id.name + "_sum", labels, tally.sum.exposed)
        exposition.sample(id.name + "_count", labels, String(count))
    }
}
