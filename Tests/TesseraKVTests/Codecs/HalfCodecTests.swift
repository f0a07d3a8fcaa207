// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

extension Codecs {
    @Suite struct `half codecs` {
        @Test(arguments: Codecs.sets) func `fp16 rounds as IEEE half precision does`(isa: ck_isa) {
            var generator = SplitMix64(seed: 1)
            // Every magnitude that fp16 has, ties between neighbours, and the edges of its range.
            var numbers = (0..<4096).map { _ in
                Float.random(in: -1...1, using: &generator) * pow(2, Float.random(in: -26...15, using: &generator))
            }
            numbers += (0..<0x7bff).map { (Float(Float16(bitPattern: $0)) + Float(Float16(bitPattern: $0 + 1))) / 2 }
            numbers += [0, -0.0, 65504, -65504, 65519.99, 0x1p-24, 0x1p-25, 0x1.8p-25, 1e-30]
            Codecs.limited(to: isa) {
                for length in [0, 1, 7, 8, 9, 15, 17, numbers.count] {
                    var halves = [UInt16](repeating: 0, count: length)
                    #expect(ck_f16_from_f32(&halves, numbers, length) == length)
                    #expect(halves == numbers.prefix(length).map { Float16($0).bitPattern })
                    var widened = [Float](repeating: 0, count: length)
                    ck_f32_from_f16(&widened, halves, length)
                    #expect(widened == halves.map { Float(Float16(bitPattern: $0)) })
                }
            }
        }

        @Test(
            arguments: [
                (0x3F80_0000, 0x3F80),  // 1
                (0x3F80_7FFF, 0x3F80), (0x3F80_8001, 0x3F81),  // the nearer neighbour
                (0x3F80_8000, 0x3F80), (0x3F81_8000, 0x3F82), (0xBF81_8000, 0xBF82),  // ties, to even
                (0x3FFF_FFFF, 0x4000),  // up into the next power of two
                (0x0000_0000, 0x0000), (0x8000_0000, 0x8000),
                (0x0000_0001, 0x0000), (0x0000_8000, 0x0000), (0x0000_8001, 0x0001),  // subnormal numbers
                (0x0001_8000, 0x0002), (0x007F_FFFF, 0x0080),
                (0x7F7F_7FFF, 0x7F7F), (0xFF7F_0000, 0xFF7F),  // the edges of the range
            ] as [(UInt32, UInt16)])
        func `bf16 rounds to nearest, ties to even`(bits: UInt32, expected: UInt16) throws {
            let layout = KVLayout(layers: 1, heads: 1, headDimension: 1)
            let record = try HalfCodec(.bf16).encode(keys: [Float(bitPattern: bits)], values: [0], layout: layout)
            #expect(record == [UInt8(truncatingIfNeeded: expected), UInt8(expected >> 8), 0, 0])
        }

        @Test(
            arguments: [
                (.fp16, .nan), (.fp16, .infinity), (.fp16, -.infinity), (.fp16, 65520), (.fp16, -1e9),
                (.bf16, .nan), (.bf16, .signalingNaN), (.bf16, -.infinity), (.bf16, .greatestFiniteMagnitude),
            ] as [(HalfFormat, Float)])
        func `refuse what they can't hold, naming the token`(format: HalfFormat, value: Float) {
            let layout = KVLayout(layers: 1, heads: 2, headDimension: 8)
            var values = [Float](repeating: 1, count: 3 * layout.width)
            values[2 * layout.width + 5] = value
            let error = #expect(throws: TesseraError.self) {
                try HalfCodec(format).encode(
                    keys: Array(repeating: 1, count: values.count), values: values, layout: layout)
            }
            #expect(error?.code == .invalidInput)
            #expect(error?.message.contains("token 2") == true)
            #expect(error?.message.contains(format.rawValue) == true)
        }

        @Test(arguments: HalfFormat.allCases)
        func `place keys a few at a time as all at once, and lend values as they lie`(format: HalfFormat) throws {
            let shape = Codecs.Shape(3, 16, 16)
            let (codec, positions) = (HalfCodec(format), [Int32](40..<50))
            let numbers = (0..<positions.count * shape.layout.width).map { Float($0 % 97) / 16 - 3 }
            let record = try codec.encode(keys: numbers, values: numbers.reversed(), layout: shape.layout)
            let expected = try Codecs.place(record, by: codec, shape, at: positions).keys
            let buffer = try KVBuffer(layout: shape.layout, capacity: positions.count)
            let angles = shape.table(.interleaved).angles(at: positions)
            try record.withUnsafeBytes { bytes in
                for range in [0..<4, 4..<5, 5..<10] {
                    try codec.placeKeys(
                        bytes, of: range, tokens: positions.count, into: buffer, layer: 1, angles: angles)
                }
                let lent = try codec.values(in: bytes, tokens: positions.count, layout: shape.layout)
                let values = lent.bindMemory(to: UInt16.self).map { half in
                    format == .fp16 ? Float(Float16(bitPattern: half)) : Float(bitPattern: UInt32(half) << 16)
                }
                #expect(values == numbers.reversed())
                #expect(throws: TesseraError.self) {
                    try codec.placeKeys(bytes, of: 0..<4, tokens: 9, into: buffer, layer: 1, angles: angles)
                }
            }
            #expect(buffer.rows(0..<positions.count, of: 1).keys == expected)
        }

        @Test(arguments: HalfFormat.allCases)
        func `find numbers that are not finite in a record`(format: HalfFormat) throws {
            let shape = Codecs.Shape(2, 20, 12)
            let codec = HalfCodec(format)
            let count = 3 * shape.layout.width
            let record = try codec.encode(
                keys: Array(repeating: 1, count: count), values: Array(repeating: 1, count: count),
                layout: shape.layout)
            for isa in Codecs.sets {
                for number in 0..<2 * count {
                    var damaged = record
                    damaged[2 * number + 1] = 0xFF
                    damaged[2 * number] = 0x80
                    let error = Codecs.limited(to: isa) {
                        #expect(throws: TesseraError.self) {
                            try Codecs.place(damaged, by: codec, shape, at: [3, 1, 2])
                        }
                    }
                    #expect(error?.code == .corrupt)
                }
            }
        }
    }
}
