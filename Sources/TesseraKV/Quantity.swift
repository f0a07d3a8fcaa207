// SPDX-License-Identifier: Apache-2.0

/// Numbers with units, as people write them in options and settings.
package enum Quantity {
    /// A number of bytes: `512MB`, `20GB`, `1.5TB`; powers of 1000, or of 1024 with `KiB`, `MiB` and so on.
    package static func bytes(_ text: String) -> Int? {
        let number = text.prefix { $0.isNumber || $0 == "." }
        let unit = text.dropFirst(number.count).lowercased()
        guard let value = Double(number), let factor = byteUnits[unit], value * factor < 0x1p62 else { return nil }
        return Int(value * factor)
    }

    /// A time span in seconds: `30d`, `12h`, `45m`, `90s`.
    package static func seconds(_ text: String) -> Double? {
        guard let unit = text.last.flatMap({ timeUnits[$0] }), let count = Double(text.dropLast()), count >= 0,
            count * unit < 1e10
        else { return nil }
        return count * unit
    }

    private static let byteUnits: [String: Double] = [
        "": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12,
        "kib": 0x1p10, "mib": 0x1p20, "gib": 0x1p30, "tib": 0x1p40,
    ]
    private static let timeUnits: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
}
