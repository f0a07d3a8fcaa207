// SPDX-License-Identifier: Apache-2.0

/// Text in Prometheus' exposition format, version 0.0.4, as it is put together.
struct Exposition {
    /// What was written so far; ends with a line feed unless it is empty.
    private(set) var text = ""

    /// Writes the two lines that a metric begins with.
    mutating func header(_ name: String, _ kind: MetricKind, help: String) {
        line("# HELP \(name) \(help.escapedHelp)")
        line("# TYPE \(name) \(kind.rawValue)")
    }

    /// Writes one sample.
    ///
    /// - Parameter labels: The labels without braces, escaped.
    mutating func sample(_ name: String, _ labels: String, _ value: String) {
        line(labels.isEmpty ? "\(name) \(value)" : "\(name){\(labels)} \(value)")
    }

    /// Writes a line for people, which Prometheus ignores.
    mutating func comment(_ remark: String) {
        line("# " + remark.escapedHelp)
    }

    private mutating func line(_ line: String) {
        text += line
        text += "\n"
    }
}
