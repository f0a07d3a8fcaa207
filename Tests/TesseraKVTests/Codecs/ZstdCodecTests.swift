// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

extension Codecs {
    @Suite struct `zstd codecs` {
        /// Several blocks and a shorter last one, one token, one token larger than a block, rows of an odd width.
        private static let sizes: [(shape: Codecs.Shape, tokens: Int)] = [
            (Codecs.Shape(8, 64, 64), 300), (Codecs.Shape(8, 64, 64), 128), (Codecs.Shape(3, 7, 6), 5),
            (Codecs.Shape(1, 1, 0), 1), (Codecs.Shape(1, 70_000, 16), 2), (Codecs.Shape(5, 13, 4), 1100),
        ]

        @Test(arguments: HalfFormat.allCases, sizes)
        func `give the plain codec's bits`(format: HalfFormat, size: (shape: Codecs.Shape, tokens: Int)) throws {
            let (shape, layout) = (size.shape, size.shape.layout)
            let (codec, plain) = (ZstdCodec(format), HalfCodec(format))
            let keys = normal(size.tokens * layout.width)
            let values = Array(keys.reversed())
            let record = try codec.encode(keys: keys, values: values, layout: layout)
            let plainRecord = try plain.encode(keys: keys, values: values, layout: layout)
            #expect(record.count <= codec.byteCount(tokens: size.tokens, layout: layout))

            let positions = (0..<Int32(size.tokens)).map { 3 * $0 }
            for pairing in [RotaryTable.Pairing.interleaved, .halves] {
                let placed = try Codecs.place(record, by: codec, shape, at: positions, pairing)
                let expected = try Codecs.place(plainRecord, by: plain, shape, at: positions, pairing)
                #expect(bytes(placed.keys) == bytes(expected.keys))
                #expect(bytes(placed.values) == bytes(expected.values))
            }

            #expect(codec.unpackedCodec?.name == plain.name)
            #expect(try unpacked(record, by: codec, tokens: size.tokens, layout, plainRecord.count) == plainRecord)
        }

        @Test func `save what sign and exponent leave`() throws {
            let layout = KVLayout(layers: 1, heads: 8, headDimension: 64)
            let numbers = normal(256 * layout.width)
            func ratio(_ format: HalfFormat) throws -> Double {
                let record = try ZstdCodec(format).encode(keys: numbers, values: numbers, layout: layout)
                return Double(record.count) / Double(HalfCodec(format).byteCount(tokens: 256, layout: layout))
            }
            #expect(try ratio(.fp16) < 0.86)
            #expect(try ratio(.bf16) < 0.68)
        }

        @Test func `keep what can't be compressed as it is`() throws {
            let layout = KVLayout(layers: 1, heads: 8, headDimension: 64)
            var generator = SplitMix64(seed: 4)
            let numbers = (0..<layout.width * 8).map { _ in
                Float(Float16(bitPattern: UInt16.random(in: 0..<0x7C00, using: &generator)))
            }
            let codec = ZstdCodec(.fp16)
            let record = try codec.encode(keys: numbers, values: numbers, layout: layout)
            #expect(record.count <= codec.byteCount(tokens: 8, layout: layout))
            let zeros = [Float](repeating: 0, count: numbers.count)
            #expect(try codec.encode(keys: zeros, values: zeros, layout: layout).count < 128)
        }

        @Test func `check the structure`() throws {
            let shape = Codecs.Shape(2, 16, 16)
            let numbers = normal(40 * shape.layout.width)
            let record = try ZstdCodec(.bf16).encode(keys: numbers, values: numbers, layout: shape.layout)
            let positions = [Int32](repeating: 0, count: 40)
            #expect(throws: Never.self) { try Codecs.place(record, by: ZstdCodec(.bf16), shape, at: positions) }
            // Tokens in a block, blocks, and the sizes of the planes.
            for offset in stride(from: 0, to: 24, by: 4) {
                for number: UInt32 in [0, 1, 39, 40, 0x7FFF_FFFF, 0xFFFF_FFFF] {
                    var damaged = record
                    withUnsafeBytes(of: number.littleEndian) { damaged.replaceSubrange(offset..<offset + 4, with: $0) }
                    // Any number of tokens in a block that makes one block of them all says the same.
                    if damaged == record || (offset == 0 && number >= 40) { continue }
                    expectCorrupt(damaged, shape, positions)
                }
            }
            expectCorrupt(record + [0], shape, positions)
            expectCorrupt([], shape, positions)
            expectCorrupt(record, shape, positions + [0])
        }

        private func expectCorrupt(_ record: [UInt8], _ shape: Codecs.Shape, _ positions: [Int32]) {
            let codec = ZstdCodec(.bf16)
            let placing = #expect(throws: TesseraError.self) {
                try Codecs.place(record, by: codec, shape, at: positions)
            }
            #expect(placing?.code == .corrupt)
            let unpacking = #expect(throws: TesseraError.self) {
                try unpacked(
                    record, by: codec, tokens: positions.count, shape.layout,
                    HalfCodec(.bf16).byteCount(tokens: positions.count, layout: shape.layout))
            }
            #expect(unpacking?.code == .corrupt)
        }

        private func unpacked(
            _ record: [UInt8], by codec: any KVCodec, tokens: Int, _ layout: KVLayout, _ size: Int
        ) throws -> [UInt8] {
            var bytes = [UInt8](repeating: 0xAA, count: size)
            try bytes.withUnsafeMutableBytes { bytes in
                try record.withUnsafeBytes { try codec.unpack($0, tokens: tokens, layout: layout, into: bytes) }
            }
            return bytes
        }

        private func bytes(_ numbers: [Float]) -> [UInt8] { numbers.withUnsafeBytes { Array($0) } }

        private func normal(_ count: Int) -> [Float] { Array(Self.normals.prefix(count)) }

        /// Numbers of a normal distribution, by Box and Muller's transform.
        private static let normals: [Float] = {
            var generator = SplitMix64(seed: 1)
            return (0..<300 * 512).map { _ in
                let radius = sqrt(-2 * log(Float.random(in: 1e-7...1, using: &generator)))
                return radius * cos(Float.random(in: 0...2 * .pi, using: &generator))
            }
        }()
    }
}
