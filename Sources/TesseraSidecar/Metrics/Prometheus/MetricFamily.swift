// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A metric: its name, and one series for each set of labels.
final class MetricFamily<Series: MetricSeries>: RenderedFamily {
    private let name: String
    private let description: MetricDescription
    private let limit: Int
    private let state = Mutex(State())

    private struct State {
        var entries: [LabelSet: Entry] = [:]
        /// The series of all labels that came when the metric was full.
        var other: Series?
    }

    private struct Entry {
        let series: Series
        /// How often it was asked for, less how often it was given back.
        var holders = 0
    }

    /// Begins without series.
    ///
    /// - Parameter limit: The sets of labels that get a series of their own.
    init(_ name: String, _ description: MetricDescription, limit: Int) {
        self.name = name
        self.description = description
        self.limit = limit
    }

    /// The series of some labels, made when there is none yet.
    ///
    /// When there are as many as the limit allows, all further labels share one series, whose values are all `other`.
    func series(_ pairs: [(String, String)]) -> Series {
        let labels = LabelSet(pairs)
        return state.withLock { state in
            if state.entries[labels] != nil || state.entries.count < limit { return hold(labels, in: &state) }
            if let other = state.other { return other }
            let other = hold(.other(pairs), in: &state)
            state.other = other
            return other
        }
    }

    /// Forgets a series when all that asked for it have given it back, so that there is room for another.
    func giveBack(_ series: Series) {
        let labels = series.id.labels
        state.withLock { state in
            guard var entry = state.entries[labels], entry.series === series, state.other !== series else { return }
            entry.holders -= 1
            state.entries[labels] = entry.holders > 0 ? entry : nil
        }
    }

    func render(into exposition: inout Exposition) {
        let series = state.withLock { $0.entries.values.map(\.series) }
        guard !series.isEmpty else { return }
        exposition.header(name, Series.kind, help: description.help)
        for series in series.sorted(by: { $0.id.labels.text < $1.id.labels.text }) {
            series.render(into: &exposition)
        }
    }

    private func hold(_ labels: LabelSet, in state: inout State) -> Series {
        var entry = state.entries[labels] ?? Entry(series: Series(SeriesID(name: name, labels: labels), description))
        entry.holders += 1
        state.entries[labels] = entry
        return entry.series
    }
}
