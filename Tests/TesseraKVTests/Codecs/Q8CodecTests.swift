// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

extension Codecs {
    @Suite struct `q8 codec` {
        @Test(arguments: Codecs.shapes, [1, 2, 33])
        func `encodes as a reference in double precision does`(shape: Codecs.Shape, tokens: Int) throws {
            let (keys, values) = biased(tokens, shape, seed: 11, spread: 1)
            let record = try Q8Codec().encode(keys: keys, values: values, layout: shape.layout)
            #expect(record.count == Q8Codec().byteCount(tokens: tokens, layout: shape.layout))
            let read = Q8Reference(reading: record, tokens: tokens, width: shape.layout.width)
            let reference = Q8Reference(encoding: keys, values, width: shape.layout.width)
            #expect(read.means == reference.means)
            #expect(read.scales.values == reference.scales.values)
            #expect(read.quants.values == reference.quants.values)
            // Centred keys carry a rounding of fp32, which may tip a scale or a number that lies between two.
            for (scale, expected) in zip(read.scales.keys, reference.scales.keys) {
                #expect(abs(scale - expected) <= expected * 0x1p-10)
            }
            #expect(zip(read.quants.keys, reference.quants.keys).allSatisfy { abs($0 - $1) <= 1 })
            #expect(zip(read.quants.keys, reference.quants.keys).count { $0 != $1 } <= keys.count / 50)
        }

        @Test(arguments: [1e-9, 1e-7, 1e-5, 1e-3, 1, 300, 4000] as [Float], [1, 7, 64])
        func `errs by half a scale at most`(spread: Float, tokens: Int) throws {
            for shape in [Codecs.Shape(2, 32, 0), Codecs.Shape(3, 7, 0)] {
                let (keys, values) = biased(tokens, shape, seed: UInt64(tokens), spread: spread)
                let record = try Q8Codec().encode(keys: keys, values: values, layout: shape.layout)
                let read = Q8Reference(reading: record, tokens: tokens, width: shape.layout.width)
                let positions = [Int32](repeating: 0, count: tokens)
                let placed = try Codecs.place(record, by: Q8Codec(), shape, at: positions)
                for index in keys.indices {
                    let mean = read.means[index % shape.layout.width]
                    let (x, scale) = (Double(keys[index]), read.scales.keys[index / 32])
                    #expect(abs(Double(placed.keys[index]) - x) <= scale / 2 + 0x1p-23 * (abs(x) + abs(mean)))
                    let (v, valueScale) = (Double(values[index]), read.scales.values[index / 32])
                    #expect(abs(Double(placed.values[index]) - v) <= valueScale / 2 + 0x1p-23 * abs(v))
                }
                // The scale itself is no larger than the numbers of its block make it.
                for (block, scale) in read.scales.values.enumerated() {
                    let largest = values[block * 32..<min(block * 32 + 32, values.count)].map { abs($0) }.max() ?? 0
                    #expect(scale <= Double(largest) / 127 * (1 + 0x1p-10) + 0x1p-24)
                }
            }
        }

        @Test func `keeps the spread of keys whose mean is large`() throws {
            let shape = Codecs.Shape(1, 32, 0)
            var generator = SplitMix64(seed: 5)
            let keys = generator.floats(64 * 32).enumerated().map { $1 + ($0 % 32 == 9 ? 200 : 0) }
            let record = try Q8Codec().encode(keys: keys, values: keys, layout: shape.layout)
            let placed = try Codecs.place(record, by: Q8Codec(), shape, at: Array(repeating: 0, count: 64))
            #expect(largestDifference(placed.keys, keys) < 0.006)
            #expect(largestDifference(placed.values, keys) > 0.5)
        }

        @Test(arguments: [Float.nan, .infinity, -.infinity, 65505, -1e9])
        func `refuses what it can't hold, naming the token`(number: Float) {
            let layout = KVLayout(layers: 1, heads: 2, headDimension: 8)
            var keys = [Float](repeating: 1, count: 3 * layout.width)
            keys[layout.width + 5] = number
            let error = #expect(throws: TesseraError.self) {
                try Q8Codec().encode(keys: keys, values: Array(repeating: 1, count: keys.count), layout: layout)
            }
            #expect(error?.code == .invalidInput)
            #expect(error?.message.contains("token 1") == true)
        }

        @Test func `takes numbers at the edge of the range`() throws {
            let shape = Codecs.Shape(1, 2, 0)
            let keys: [Float] = [65504, -65504, -65504, 65504]
            let record = try Q8Codec().encode(keys: keys, values: keys, layout: shape.layout)
            let placed = try Codecs.place(record, by: Q8Codec(), shape, at: [0, 0])
            #expect(largestDifference(placed.keys, keys) <= 65504.0 / 127)
            #expect(largestDifference(placed.values, keys) <= 65504.0 / 127)
        }

        @Test func `refuses a scale or mean that is not finite, and bytes in the gaps`() throws {
            let shape = Codecs.Shape(3, 7, 6)
            let (keys, values) = biased(3, shape, seed: 6, spread: 1)
            let record = try Q8Codec().encode(keys: keys, values: values, layout: shape.layout)
            // 21 means in 42 bytes, 2 scales of keys in 4, 2 of values in 4; keys and values in 63 each.
            let halves = Array(stride(from: 0, to: 42, by: 2)) + [48, 50, 64, 66]
            for offset in halves {
                for bits: UInt16 in [0x7C00, 0xFC00, 0x7E00] {
                    var damaged = record
                    damaged[offset] = UInt8(truncatingIfNeeded: bits)
                    damaged[offset + 1] = UInt8(bits >> 8)
                    expectCorrupt(damaged, shape)
                }
            }
            for offset in Array(42..<48) + Array(52..<64) + Array(68..<80) + [143] {
                var damaged = record
                damaged[offset] = 1
                expectCorrupt(damaged, shape)
            }
        }

        private func expectCorrupt(_ record: [UInt8], _ shape: Codecs.Shape) {
            for isa in Codecs.sets {
                let error = #expect(throws: TesseraError.self) {
                    try Codecs.limited(to: isa) { try Codecs.place(record, by: Q8Codec(), shape, at: [4, 5, 6]) }
                }
                #expect(error?.code == .corrupt)
            }
        }

        /// Keys with a mean of their own in each dimension, and values around 0.
        private func biased(
            _ tokens: Int, _ shape: Codecs.Shape, seed: UInt64, spread: Float
        ) -> (keys: [Float], values: [Float]) {
            var generator = SplitMix64(seed: seed)
            let means = generator.floats(shape.layout.width, scale: 8 * spread)
            let keys = generator.floats(tokens * shape.layout.width, scale: spread)
            return (
                keys.enumerated().map { $1 + means[$0 % shape.layout.width] },
                generator.floats(tokens * shape.layout.width, scale: spread)
            )
        }
    }
}
