// SPDX-License-Identifier: Apache-2.0

/// What is known of a metric beside its values.
struct MetricDescription: Sendable {
    /// What the metric counts or measures, in a sentence.
    let help: String
    /// The upper bounds of a histogram's buckets, ascending and without infinity; nil for the usual ones.
    let buckets: [Double]?

    /// Describes a metric.
    ///
    /// - Parameter buckets: Upper bounds in any order; what isn't finite is left out, as the last bucket is infinite in
    ///   any case.
    init(_ help: String, buckets: [Double]? = nil) {
        self.help = help
        self.buckets = buckets.map { Set($0.filter(\.isFinite)).sorted() }
    }

    /// The description of a metric that nobody described.
    static func missing(_ kind: MetricKind) -> MetricDescription {
        MetricDescription("A \(kind.rawValue) without a description.")
    }

    /// The bounds of a histogram's buckets: those that were given, or ones that fit the unit in the metric's name.
    func bounds(for name: String) -> [Double] {
        buckets ?? (name.hasSuffix("_seconds") ? Self.seconds : Self.magnitudes)
    }

    /// From a request that a cache answers to one that waits for a model: the bounds that Prometheus' own clients use.
    private static let seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    /// Powers of ten, for values whose unit isn't known.
    private static let magnitudes = [1.0, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]
}
