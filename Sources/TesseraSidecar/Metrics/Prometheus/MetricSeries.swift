// SPDX-License-Identifier: Apache-2.0

/// The values under one name and one set of labels, and the instrument that swift-metrics calls to change them.
///
/// swift-metrics asks for classes here. Each guards its own values, so that instruments never wait for one another.
protocol MetricSeries: AnyObject, Sendable {
    /// What all series of this type are rendered as.
    static var kind: MetricKind { get }

    /// The series' place.
    var id: SeriesID { get }

    /// Begins a series that nothing happened to.
    init(_ id: SeriesID, _ description: MetricDescription)

    /// Writes the series' samples as they are now.
    func render(into exposition: inout Exposition)
}
