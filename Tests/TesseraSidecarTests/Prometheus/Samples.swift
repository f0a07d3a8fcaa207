// SPDX-License-Identifier: Apache-2.0

@testable import TesseraSidecar

extension PrometheusRegistry {
    /// The lines that are no comments.
    var samples: [String] {
        lines.filter { !$0.hasPrefix("#") }
    }

    /// All lines.
    var lines: [String] {
        render().split(separator: "\n").map(String.init)
    }

    /// The value of one sample; NaN when it isn't there.
    func value(_ sample: String) -> Double {
        let line = samples.first { $0.hasPrefix(sample + " ") }
        return line.flatMap { Double($0.dropFirst(sample.count + 1)) } ?? .nan
    }
}
