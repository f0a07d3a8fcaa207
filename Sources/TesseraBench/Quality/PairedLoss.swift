// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// How many points more questions one way gets wrong than another, the same questions asked both ways.
public struct PairedLoss: Sendable, Codable, Equatable {
    /// The loss in points (hundredths of all questions); negative for a gain.
    public var points: Double
    /// The lower end of the 95 % interval.
    public var low: Double
    /// The upper end of the 95 % interval.
    public var high: Double

    /// Compares right answers pair by pair. The interval is the normal one of a difference of paired shares with half a
    /// pair added to each of the four outcomes (Agresti and Min, Statistics in Medicine 24, 2005), so that it does not
    /// close where no pair differs.
    ///
    /// - Parameters:
    ///   - reference: Whether each question was answered right by what is compared with.
    ///   - other: Whether it was answered right by what is measured.
    public init(reference: [Bool], other: [Bool]) {
        precondition(reference.count == other.count, "the same questions both ways")
        let lost = Double(zip(reference, other).count { $0 && !$1 })
        let won = Double(zip(reference, other).count { !$0 && $1 })
        points = 100 * (lost - won) / Double(max(1, reference.count))
        let count = Double(reference.count) + 2
        let mean = (lost - won) / count
        let margin = 1.96 * sqrt(((lost + won + 1) / count - mean * mean) / count)
        (low, high) = (100 * (mean - margin), 100 * (mean + margin))
    }
}

/// Whether the normal 95 % interval of a mean lies above 0; never for fewer than two figures.
func isAboveZero(_ values: [Double]) -> Bool {
    guard values.count > 1 else { return false }
    let center = mean(values)
    let variance = values.reduce(0) { $0 + ($1 - center) * ($1 - center) } / Double(values.count - 1)
    return center - 1.96 * sqrt(variance / Double(values.count)) > 0
}

/// The value below which a share of some figures lies (nearest rank); 0 for none.
func quantile(_ share: Double, of values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return sorted[min(sorted.count - 1, max(0, Int((share * Double(sorted.count)).rounded(.up)) - 1))]
}
