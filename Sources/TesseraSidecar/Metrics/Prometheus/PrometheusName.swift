// SPDX-License-Identifier: Apache-2.0

/// Makes names that Prometheus accepts out of any text, and gives them the suffixes that its conventions ask for.
enum PrometheusName {
    /// A metric's name: letters, digits, `_` and `:`, and no digit in front.
    static func metric(_ label: String) -> String {
        clean(label, allowing: UInt8(ascii: ":"))
    }

    /// A counter's name, which ends in `_total`.
    static func counter(_ label: String) -> String {
        withSuffix("_total", metric(label))
    }

    /// A timer's name, which ends in `_seconds`.
    static func timer(_ label: String) -> String {
        withSuffix("_seconds", metric(label))
    }

    /// A label's name: letters, digits and `_`, and no digit in front.
    ///
    /// Two underscores in front are Prometheus' own (`__name__` would rename the metric), and so is a histogram's `le`.
    static func label(_ label: String) -> String {
        let name = clean(label)
        if name.hasPrefix("__") { return "_" + name.drop { $0 == "_" } }
        return name == "le" ? "le_" : name
    }

    private static func withSuffix(_ suffix: String, _ name: String) -> String {
        name.hasSuffix(suffix) ? name : name + suffix
    }

    /// Puts `_` in the place of whatever may not be in a name.
    private static func clean(_ text: String, allowing extra: UInt8? = nil) -> String {
        func isValid(_ byte: UInt8) -> Bool { isWord(byte) || byte == extra }
        guard let first = text.utf8.first else { return "_" }
        let front = isDigit(first) ? "_" : ""
        if text.utf8.allSatisfy(isValid) { return front + text }
        let scalars = text.unicodeScalars.map { scalar in
            scalar.isASCII && isValid(UInt8(ascii: scalar)) ? scalar : "_"
        }
        return front + String(String.UnicodeScalarView(scalars))
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
        default: isDigit(byte)
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
