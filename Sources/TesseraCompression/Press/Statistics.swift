// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// e^x / Σ e^x.
func softmax(_ numbers: [Double]) -> [Double] {
    let top = numbers.max() ?? 0
    let powers = numbers.map { exp($0 - top) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
}

/// The mean and the standard deviation of a sample, n − 1 in the divisor; the latter is 0 for less than two numbers.
func meanAndDeviation(_ numbers: [Double]) -> (mean: Double, deviation: Double) {
    let mean = numbers.reduce(0, +) / Double(max(1, numbers.count))
    guard numbers.count > 1 else { return (mean, 0) }
    let squares = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (mean, (squares / Double(numbers.count - 1)).squareRoot())
}
