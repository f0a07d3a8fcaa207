// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraTestSupport
import Testing

@testable import TesseraKV

extension Codecs {
    @Suite struct `zipcache codec` {
        private static let shape = Codecs.Shape(3, 7, 6)

        @Test(arguments: [0, 0.25, 0.6, 1], [1, 7, 8, 40])
        func `gives salient tokens four bits and others two`(share: Double, tokens: Int) throws {
            let width = Self.shape.layout.width
            let (keys, values) = (Codecs.normals(tokens * width, seed: 1), Codecs.normals(tokens * width, seed: 2))
            let saliency = Codecs.normals(tokens, seed: 3)
            let codec = ZipCacheCodec(salientShare: share)
            let record = try codec.encode(
                keys: keys, values: values, layout: Self.shape.layout, hints: EncodingHints(saliency: saliency))
            #expect(record.count == codec.byteCount(tokens: tokens, layout: Self.shape.layout))
            // Any codec of that name reads it.
            let placed = try Codecs.place(
                record, by: ZipCacheCodec(), Codecs.Shape(3, 7, 0), at: Array(repeating: 0, count: tokens))
            let count = Int((share * Double(tokens)).rounded(.up))
            let salient = Set((0..<tokens).sorted { saliency[$0] > saliency[$1] }.prefix(count))
            let parts = ZipCacheSections(tokens: tokens, salient: count, width: width)
            let masked = (0..<tokens).filter { record[parts.mask + $0 / 8] >> ($0 % 8) & 1 == 1 }
            #expect(Set(masked) == salient)
            func half(_ offset: Int) -> Float {
                Float(Float16(bitPattern: UInt16(record[offset]) | UInt16(record[offset + 1]) << 8))
            }
            for token in 0..<tokens {
                let kind = parts.kinds[salient.contains(token) ? 0 : 1]
                for column in 0..<width {
                    let index = token * width + column
                    let keyScale = half(kind.scales + 2 * column)
                    #expect(abs(placed.keys[index] - keys[index]) <= keyScale / 2 + 0x1p-20)
                    let valueScale = half(parts.rowScales + 2 * token) * half(parts.channels + 2 * column)
                    #expect(abs(placed.values[index] - values[index]) <= valueScale / 2 + 0x1p-20)
                }
            }
        }

        @Test func `judges tokens by their keys where nobody else does`() throws {
            let width = Self.shape.layout.width
            let (keys, values) = (Codecs.normals(20 * width, seed: 4), Codecs.normals(20 * width, seed: 5))
            let codec = ZipCacheCodec()
            let saliency = TokenSaliency.keyDifference(keys, layout: Self.shape.layout)
            let record = try codec.encode(keys: keys, values: values, layout: Self.shape.layout)
            #expect(
                try record
                    == codec.encode(
                        keys: keys, values: values, layout: Self.shape.layout, hints: EncodingHints(saliency: saliency))
            )
            // The first four are salient.
            #expect(record[ZipCacheSections(tokens: 20, salient: 12, width: width).mask] & 15 == 15)
        }

        @Test func `errs less on tokens that matter more`() throws {
            let shape = Codecs.Shape(4, 32, 0)
            let width = shape.layout.width
            let numbers = Codecs.normals(200 * width, seed: 6)
            let saliency = (0..<200).map { Float($0 % 5) }
            let placed = try Codecs.roundTrip(
                numbers, numbers, by: ZipCacheCodec(), shape, hints: EncodingHints(saliency: saliency))
            func error(of rank: Int) -> Double {
                let rows = (0..<200).filter { $0 % 5 == rank }
                func own(_ x: [Float]) -> [Float] { rows.flatMap { x[$0 * width..<($0 + 1) * width] } }
                return Codecs.relativeError(own(placed.values), own(numbers))
            }
            #expect(error(of: 4) < 0.13 && error(of: 2) < 0.13 && error(of: 1) > 0.4)
        }

        @Test func `refuses saliency that doesn't fit`() {
            let numbers = [Float](repeating: 1, count: 3 * 21)
            for saliency: [Float] in [[], [1, 2], [1, 2, 3, 4], [1, .nan, 2], [1, .infinity, 2]] {
                let error = #expect(throws: TesseraError.self) {
                    try ZipCacheCodec().encode(
                        keys: numbers, values: numbers, layout: Self.shape.layout,
                        hints: EncodingHints(saliency: saliency))
                }
                #expect(error?.code == .invalidInput)
                #expect(error?.message.contains("3 tokens") == true)
            }
        }

        @Test func `refuses a mask that says otherwise than the header`() throws {
            let numbers = Codecs.normals(9 * 21)
            let record = try ZipCacheCodec().encode(keys: numbers, values: numbers, layout: Self.shape.layout)
            for (offset, byte) in [(16, record[16] ^ 1), (17, record[17] ^ 2), (4, 5), (4, 7), (4, 10), (7, 1)] {
                var damaged = record
                damaged[offset] = byte
                let error = #expect(throws: TesseraError.self) {
                    try Codecs.place(damaged, by: ZipCacheCodec(), Self.shape, at: Array(0..<9))
                }
                #expect(error?.code == .corrupt)
            }
        }

        @Test func `a record of another share is copied as it is`() throws {
            let numbers = Codecs.normals(9 * 21)
            let record = try ZipCacheCodec(salientShare: 0.9).encode(
                keys: numbers, values: numbers, layout: Self.shape.layout)
            var copy = [UInt8](repeating: 0, count: record.count)
            try copy.withUnsafeMutableBytes { copy in
                try record.withUnsafeBytes {
                    try ZipCacheCodec().unpack($0, tokens: 9, layout: Self.shape.layout, into: copy)
                }
            }
            #expect(copy == record)
            // The size that this share would have is not the record's.
            let usual = ZipCacheCodec().byteCount(tokens: 9, layout: Self.shape.layout)
            var other = [UInt8](repeating: 0, count: usual)
            let error = #expect(throws: TesseraError.self) {
                try other.withUnsafeMutableBytes { other in
                    try record.withUnsafeBytes {
                        try ZipCacheCodec().unpack($0, tokens: 9, layout: Self.shape.layout, into: other)
                    }
                }
            }
            #expect(error?.code == .corrupt)
        }
    }
}
