// SPDX-License-Identifier: Apache-2.0

extension String {
    /// The text of a `HELP` line: backslashes and line feeds escaped.
    var escapedHelp: String { escaped(quotes: false) }

    /// The text between a label's quotes: backslashes, line feeds and quotes escaped.
    var escapedLabelValue: String { escaped(quotes: true) }

    /// Goes by scalars, as a line feed after a carriage return is one `Character` with it.
    private func escaped(quotes: Bool) -> String {
        guard utf8.contains(where: { $0 == 0x0A || $0 == 0x22 || $0 == 0x5C }) else { return self }
        var result = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\\": result += "\\\\"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension Double {
    /// The number as Prometheus' own clients write it: infinities with their sign, and integers without a point, so that
    /// the `le` of a bucket is the same text whichever client wrote it.
    var exposed: String {
        if isNaN { return "NaN" }
        if isInfinite { return self > 0 ? "+Inf" : "-Inf" }
        return Int64(exactly: self).flatMap { $0.magnitude < 1 << 53 ? String($0) : nil } ?? description
    }
}
