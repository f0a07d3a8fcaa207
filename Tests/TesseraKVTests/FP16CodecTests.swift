// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@Suite(.serialized) struct `fp16 codec` {
    static let sets: [ck_isa] = [CK_ISA_SCALAR, CK_ISA_AVX2, CK_ISA_AVX512].filter {
        $0.rawValue <= ck_isa_detected().rawValue
    }

    @Test(arguments: sets) func `rounds as IEEE half precision does`(isa: ck_isa) {
        ck_isa_limit(isa)
        defer { ck_isa_limit(ck_isa_detected()) }
        var generator = SplitMix64(seed: 1)
        // Every magnitude that fp16 has, ties between neighbours, and the edges of its range.
        var numbers = (0..<4096).map { _ in
            Float.random(in: -1...1, using: &generator) * pow(2, Float.random(in: -26...15, using: &generator))
        }
        numbers += (0..<0x7bff).map { (Float(Float16(bitPattern: $0)) + Float(Float16(bitPattern: $0 + 1))) / 2 }
        numbers += [0, -0.0, 65504, -65504, 65519.99, 0x1p-24, 0x1p-25, 0x1.8p-25, 1e-30]
        for length in [0, 1, 7, 8, 9, 15, 17, numbers.count] {
            var halves = [UInt16](repeating: 0, count: length)
            #expect(ck_f16_from_f32(&halves, numbers, length) == length)
            #expect(halves == numbers.prefix(length).map { Float16($0).bitPattern })
            var widened = [Float](repeating: 0, count: length)
            ck_f32_from_f16(&widened, halves, length)
            #expect(widened == halves.map { Float(Float16(bitPattern: $0)) })
        }
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity, 65520, -1e9])
    func `refuses what fp16 can't hold, naming the token`(value: Float) {
        let layout = KVLayout(layers: 1, heads: 2, headDimension: 8)
        var values = [Float](repeating: 1, count: 3 * layout.width)
        values[2 * layout.width + 5] = value
        let error = #expect(throws: TesseraError.self) {
            try FP16Codec().encode(keys: Array(repeating: 1, count: values.count), values: values, layout: layout)
        }
        #expect(error?.code == .invalidInput)
        #expect(error?.message.contains("token 2") == true)
    }

    @Test(arguments: sets, [(1, 8, 8), (2, 32, 32), (3, 48, 48), (2, 64, 32), (2, 80, 80), (1, 128, 128), (2, 20, 12)])
    func `places keys rotated to their new positions`(isa: ck_isa, shape: (heads: Int, dimension: Int, rotated: Int))
        throws
    {
        ck_isa_limit(isa)
        defer { ck_isa_limit(ck_isa_detected()) }
        try placeAndCompare(shape.heads, shape.dimension, shape.rotated, .interleaved)
        try placeAndCompare(shape.heads, shape.dimension, shape.rotated, .halves)
    }

    private func placeAndCompare(_ heads: Int, _ dimension: Int, _ rotated: Int, _ pairing: RotaryTable.Pairing) throws
    {
        var generator = SplitMix64(seed: 2)
        let layout = KVLayout(layers: 2, heads: heads, headDimension: dimension)
        let table = RotaryTable(dimensions: rotated, base: 10_000, pairing: pairing)
        let keys = generator.floats(5 * layout.width, scale: 4)
        let values = generator.floats(5 * layout.width)
        let record = try FP16Codec().encode(keys: keys, values: values, layout: layout)
        let buffer = try KVBuffer(layout: layout, capacity: 12)
        let positions: [Int32] = [100, 101, 250, 7, 0]
        buffer.setPositions(positions, from: 3)
        let angles = table.angles(at: positions)
        try record.withUnsafeBytes { bytes in
            try FP16Codec().place(bytes, tokens: 5, into: buffer, layer: 1, at: 3, angles: angles)
        }
        let placed = buffer.rows(3..<8, of: 1)
        let expected = rotate(keys.map { Double(Float(Float16($0))) }, positions, layout, table)
        #expect(largestDifference(placed.keys, expected.map { Float($0) }) < 4e-5)
        #expect(placed.values == values.map { Float(Float16($0)) })
        // Nothing else was touched.
        #expect(buffer.rows(0..<3, of: 1).keys.allSatisfy { $0 == 0 })
        #expect(buffer.rows(8..<12, of: 1).values.allSatisfy { $0 == 0 })
        #expect(buffer.rows(0..<12, of: 0).keys.allSatisfy { $0 == 0 })
    }

    @Test func `refuses a record of another length`() throws {
        let layout = KVLayout(layers: 1, heads: 1, headDimension: 8)
        let buffer = try KVBuffer(layout: layout, capacity: 4)
        let table = RotaryTable(dimensions: 8, base: 10_000, pairing: .interleaved)
        let bytes = [UInt8](repeating: 0, count: 2 * 32 - 1)
        let error = #expect(throws: TesseraError.self) {
            try bytes.withUnsafeBytes { bytes in
                try FP16Codec().place(
                    bytes, tokens: 2, into: buffer, layer: 0, at: 0, angles: table.angles(at: [0, 1]))
            }
        }
        #expect(error?.code == .corrupt)
    }

    /// RoPE in double precision, from fp32 angles as the models compute them.
    private func rotate(_ keys: [Double], _ positions: [Int32], _ layout: KVLayout, _ table: RotaryTable) -> [Double] {
        var out = keys
        for (token, position) in positions.enumerated() {
            for head in 0..<layout.heads {
                let start = token * layout.width + head * layout.headDimension
                for (pair, frequency) in table.frequencies.enumerated() {
                    let angle = Double(Float(position) * frequency)
                    let (a, b) =
                        table.pairing == .interleaved
                        ? (start + 2 * pair, start + 2 * pair + 1)
                        : (start + pair, start + pair + table.frequencies.count)
                    out[a] = keys[a] * cos(angle) - keys[b] * sin(angle)
                    out[b] = keys[a] * sin(angle) + keys[b] * cos(angle)
                }
            }
        }
        return out
    }
}
