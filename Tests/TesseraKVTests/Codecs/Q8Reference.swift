// SPDX-License-Identifier: Apache-2.0

import TesseraTestSupport

/// The q8 codec as its documentation states it, in double precision and one number at a time.
struct Q8Reference {
    var means: [Double] = []
    var scales: (keys: [Double], values: [Double]) = ([], [])
    var quants: (keys: [Int], values: [Int]) = ([], [])

    /// Reads a record.
    init(reading record: [UInt8], tokens: Int, width: Int) {
        var rest = record[...]
        var taken = 0
        func take(_ count: Int) -> [UInt8] {
            defer {
                rest = rest.dropFirst(count)
                taken += count
            }
            return Array(rest.prefix(count))
        }
        func halves(_ count: Int) -> [Double] {
            align()
            let bytes = take(2 * count)
            return (0..<count).map {
                Double(Float16(bitPattern: UInt16(bytes[2 * $0]) | UInt16(bytes[2 * $0 + 1]) << 8))
            }
        }
        func signedBytes(_ count: Int) -> [Int] {
            align()
            return take(count).map { Int(Int8(bitPattern: $0)) }
        }
        func align() { _ = take((16 - taken % 16) % 16) }
        let blocks = (tokens * width + 31) / 32
        means = halves(width)
        scales = (halves(blocks), halves(blocks))
        quants = (signedBytes(tokens * width), signedBytes(tokens * width))
    }

    /// Encodes numbers.
    init(encoding keys: [Float], _ values: [Float], width: Int) {
        let tokens = keys.count / width
        means = (0..<width).map { column in
            let sum = (0..<tokens).reduce(0.0) { $0 + Double(keys[$1 * width + column]) }
            return Double(Float16(sum / Double(tokens)))
        }
        let centred = keys.indices.map { Double(keys[$0]) - means[$0 % width] }
        (scales.keys, quants.keys) = Self.quantised(centred)
        (scales.values, quants.values) = Self.quantised(values.map { Double($0) })
    }

    private static func quantised(_ numbers: [Double]) -> (scales: [Double], quants: [Int]) {
        let scales = stride(from: 0, to: numbers.count, by: 32).map { first in
            let largest = numbers[first..<min(first + 32, numbers.count)].map { abs($0) }.max() ?? 0
            let nearest = Float16(largest / 127)
            return Double(Double(nearest) < largest / 127 ? nearest.nextUp : nearest)
        }
        let quants = numbers.indices.map { index in
            let scale = scales[index / 32]
            return scale == 0 ? 0 : Int((numbers[index] / scale).rounded(.toNearestOrEven))
        }
        return (scales, quants)
    }

    /// The numbers that it stands for.
    var numbers: (keys: [Double], values: [Double]) {
        (
            quants.keys.indices.map { scales.keys[$0 / 32] * Double(quants.keys[$0]) + means[$0 % means.count] },
            quants.values.indices.map { scales.values[$0 / 32] * Double(quants.values[$0]) }
        )
    }
}
