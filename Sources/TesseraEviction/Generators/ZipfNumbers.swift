// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// Draws numbers 0 ..< count, number i with a probability in proportion to 1 ÷ (i + 1)^exponent.
struct ZipfNumbers: Sendable {
    /// For each number, the probability that it or a lower one is drawn.
    private let cumulative: [Double]

    var count: Int { cumulative.count }

    init(count: Int, exponent: Double) {
        var sum = 0.0
        let sums = (1...max(1, count)).map { rank in
            sum += pow(Double(rank), -exponent)
            return sum
        }
        cumulative = sums.map { $0 / sum }
    }

    func draw(_ random: inout SplitMix64) -> Int {
        let level = random.unit()
        var (low, high) = (0, cumulative.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] > level { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension SplitMix64 {
    /// A number in 0 ..< 1, the same on every machine.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A number in 0 ..< count.
    mutating func below(_ count: Int) -> Int { Int(unit() * Double(count)) }
}
