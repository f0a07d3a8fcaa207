// SPDX-License-Identifier: Apache-2.0

import CKernels
import TesseraKV
import TesseraTestSupport
import Testing

extension Codecs {
    @Suite struct placement {
        private static let positions: [Int32] = [100, 101, 250, 7, 0]

        @Test(arguments: StoreCodec.allCases, Codecs.shapes)
        func `widens values and rotates keys to their new positions`(name: StoreCodec, shape: Codecs.Shape) throws {
            var generator = SplitMix64(seed: 2)
            for tokens in [1, 5] {
                let positions = Array(Self.positions.prefix(tokens))
                let keys = generator.floats(tokens * shape.layout.width, scale: 4)
                let values = generator.floats(tokens * shape.layout.width)
                let record = try name.codec.encode(keys: keys, values: values, layout: shape.layout)
                let stored = try numbers(in: record, of: name, keys: keys, values: values, shape)
                for isa in Codecs.sets {
                    for pairing in [RotaryTable.Pairing.interleaved, .halves] {
                        let placed = try Codecs.limited(to: isa) {
                            try Codecs.place(record, by: name.codec, shape, at: positions, pairing)
                        }
                        let expected = Codecs.rotate(stored.keys, positions, shape, shape.table(pairing))
                        #expect(largestDifference(placed.keys, expected.map { Float($0) }) < 4e-5)
                        #expect(placed.values == stored.values.map { Float($0) })
                    }
                }
            }
        }

        /// What a record says, by a reading of its own; for codecs of few bits by the reference kernels, without rotation,
        /// which the goldens check.
        private func numbers(
            in record: [UInt8], of name: StoreCodec, keys: [Float], values: [Float], _ shape: Codecs.Shape
        ) throws -> (keys: [Double], values: [Double]) {
            let tokens = keys.count / shape.layout.width
            switch name {
            case .fp16, .fp16Zstd:
                return (keys.map { Double(Float16($0)) }, values.map { Double(Float16($0)) })
            case .bf16, .bf16Zstd:
                return (keys.map { Double(Codecs.bf16($0)) }, values.map { Double(Codecs.bf16($0)) })
            case .q8:
                return Q8Reference(reading: record, tokens: tokens, width: shape.layout.width).numbers
            case .k8v4, .q4, .zipcache:
                let still = Codecs.Shape(shape.heads, shape.dimension, 0)
                let placed = try Codecs.limited(to: CK_ISA_SCALAR) {
                    try Codecs.place(record, by: name.codec, still, at: Array(repeating: 0, count: tokens))
                }
                return (placed.keys.map { Double($0) }, placed.values.map { Double($0) })
            }
        }

        @Test(arguments: StoreCodec.allCases) func `reads a record at any address`(name: StoreCodec) throws {
            var generator = SplitMix64(seed: 3)
            let shape = Codecs.Shape(2, 20, 12)
            let codec = name.codec
            let keys = generator.floats(5 * shape.layout.width)
            let record = try codec.encode(keys: keys, values: keys, layout: shape.layout)
            let expected = try Codecs.place(record, by: codec, shape, at: Self.positions)
            let angles = shape.table(.interleaved).angles(at: Self.positions)
            for isa in Codecs.sets {
                for shift in 0..<16 {
                    let buffer = try KVBuffer(layout: shape.layout, capacity: 5)
                    let shifted = [UInt8](repeating: 0xFF, count: shift) + record
                    try shifted.withUnsafeBytes { bytes in
                        let record = UnsafeRawBufferPointer(rebasing: bytes[shift...])
                        try Codecs.limited(to: isa) {
                            try codec.place(record, tokens: 5, into: buffer, layer: 1, at: 0, angles: angles)
                        }
                    }
                    let placed = buffer.rows(0..<5, of: 1)
                    #expect(placed.values == expected.values)
                    #expect(largestDifference(placed.keys, expected.keys) < 1e-6)
                }
            }
        }

        @Test(arguments: StoreCodec.allCases) func `takes a record of no tokens`(name: StoreCodec) throws {
            let shape = Codecs.Shape(2, 8, 8)
            let record = try name.codec.encode(keys: [], values: [], layout: shape.layout)
            #expect(record.count == name.codec.byteCount(tokens: 0, layout: shape.layout))
            #expect(try Codecs.place(record, by: name.codec, shape, at: []).keys.isEmpty)
        }
    }
}
