// SPDX-License-Identifier: Apache-2.0

/// The kinds of metrics, by the word that a `TYPE` line has for each.
enum MetricKind: String {
    case counter, gauge, histogram

    /// The names of the samples that a metric of this kind and name consists of.
    ///
    /// No two metrics may share one of them: Prometheus would read both as the same series.
    func sampleNames(of name: String) -> [String] {
        switch self {
        case .counter, .gauge: [name]
        case .histogram: [name, name + "_bucket", name + "_sum", name + "_count"]
        }
    }
}
