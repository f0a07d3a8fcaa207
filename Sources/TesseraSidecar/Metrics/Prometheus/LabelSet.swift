// SPDX-License-Identifier: Apache-2.0

/// The labels of a series, in the form in which they are rendered: `method="GET",status="200"`.
///
/// Labels are in the order of their names, so that the same labels in another order are the same series.
struct LabelSet: Hashable, Sendable {
    /// The labels without braces; empty when there are none.
    let text: String

    /// The bytes that a value may have. What is longer is cut, as values may come from outside.
    static let longestValue = 256

    /// Brings labels into their form.
    ///
    /// An empty value is the same to Prometheus as no label at all, so such labels are left out; of two labels with one
    /// name the later counts.
    init(_ pairs: [(String, String)]) {
        var values: [String: String] = [:]
        for (name, value) in pairs {
            values[PrometheusName.label(name)] = value.isEmpty ? nil : value
        }
        text = values.sorted { $0.key < $1.key }
            .map { name, value in "\(name)=\"\(Self.shortened(value).escapedLabelValue)\"" }
            .joined(separator: ",")
    }

    /// Labels with the same names that stand for all the values that there was no room for.
    static func other(_ pairs: [(String, String)]) -> LabelSet {
        LabelSet(pairs.map { ($0.0, "other") })
    }

    /// Cuts a value where a character of it ends.
    private static func shortened(_ value: String) -> String {
        guard value.utf8.count > longestValue else { return value }
        var end = value.utf8.index(value.startIndex, offsetBy: longestValue)
        while end.samePosition(in: value.unicodeScalars) == nil { end = value.utf8.index(before: end) }
        return String(value.unicodeScalars[..<end])
    }
}
