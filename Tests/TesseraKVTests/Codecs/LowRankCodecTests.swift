// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraCompression
import TesseraTestSupport
import Testing

@testable import TesseraKV

extension Codecs {
    @Suite struct `low-rank codec` {
        @Test func `sums up mean and covariance, piece by piece`() {
            let layout = KVLayout(layers: 2, heads: 2, headDimension: 2)
            var moments = KVMoments(layout: layout)
            // Head 1 of the values of layer 1: (1, 2), (3, 8), (5, 2).
            let rows: [[Float]] = [[0, 0, 1, 2], [0, 0, 3, 8], [0, 0, 5, 2]]
            moments.add(keys: Array(repeating: 1, count: 4), values: rows[0], layer: 1)
            moments.add(keys: Array(repeating: 1, count: 8), values: rows[1] + rows[2], layer: 1)
            #expect(moments.tokens == [0, 3])
            #expect(moments.mean(of: .values, layer: 1, head: 1) == [3, 4])
            #expect(moments.covariance(of: .values, layer: 1, head: 1).map { ($0 * 3).rounded() } == [8, 0, 0, 24])
            #expect(moments.covariance(of: .keys, layer: 1, head: 0) == [0, 0, 0, 0])
            #expect(moments.mean(of: .keys, layer: 0, head: 0) == [0, 0])
        }

        @Test func `spends ranks on the largest eigenvalues, and takes none back`() {
            let eigenvalues = [[9, 4, 1, 0], [8, 7, 6, 0.5], [4, 4, 4, 4]]
            #expect(LowRankBasis.ranks(of: eigenvalues, budget: 0) == [0, 0, 0])
            #expect(LowRankBasis.ranks(of: eigenvalues, budget: 1) == [1, 0, 0])
            #expect(LowRankBasis.ranks(of: eigenvalues, budget: 5) == [2, 3, 0])
            #expect(LowRankBasis.ranks(of: eigenvalues, budget: 7) == [2, 3, 2])
            #expect(LowRankBasis.ranks(of: eigenvalues, budget: 99) == [4, 4, 4])
            for budget in 0..<12 {
                let (less, more) = (
                    LowRankBasis.ranks(of: eigenvalues, budget: budget),
                    LowRankBasis.ranks(of: eigenvalues, budget: budget + 1)
                )
                #expect(less.reduce(0, +) == budget)
                #expect(zip(less, more).allSatisfy { $0 <= $1 })
            }
        }

        /// Numbers that lie in two directions of each head, around a mean.
        private static func flat(_ tokens: Int, _ shape: Codecs.Shape, seed: UInt64) -> [Float] {
            let coordinates = Codecs.normals(tokens * shape.heads * 2, seed: seed)
            let directions = Codecs.normals(2 * shape.layout.width, seed: 77)
            return (0..<tokens * shape.layout.width).map { index in
                let (row, column) = (index / shape.layout.width, index % shape.layout.width)
                let place = (row * shape.heads + column / shape.dimension) * 2
                return 5 + coordinates[place] * directions[column]
                    + 0.5 * coordinates[place + 1] * directions[shape.layout.width + column]
            }
        }

        @Test func `keeps what lies in few directions, and loses the rest`() throws {
            let shape = Codecs.Shape(2, 48, 0)
            var moments = KVMoments(layout: shape.layout)
            for layer in 0..<2 {
                moments.add(
                    keys: Self.flat(200, shape, seed: 1), values: Self.flat(200, shape, seed: 2), layer: layer)
            }
            let codec = LowRankCodec(basis: try LowRankBasis(moments, share: 2.0 / 48))
            let keys = Self.flat(33, shape, seed: 3)
            let placed = try Codecs.roundTrip(keys, keys, by: codec, shape)
            #expect(Codecs.relativeError(placed.keys, keys) < 0.005)
            #expect(Codecs.relativeError(placed.values, keys) < 0.005)
            #expect(codec.byteCount(tokens: 33, layout: shape.layout) < 33 * 4 * 5)
            let noise = Codecs.normals(33 * 96)
            #expect(try Codecs.relativeError(Codecs.roundTrip(noise, noise, by: codec, shape).keys, noise) > 0.9)
        }

        @Test func `of all directions errs as q8 does`() throws {
            let shape = Codecs.Shape(1, 128, 0)
            let codec = Codecs.lowRank(shape, share: 1)
            let numbers = Codecs.normals(64 * 128, seed: 4)
            let placed = try Codecs.roundTrip(numbers, numbers, by: codec, shape)
            #expect(abs(Codecs.relativeError(placed.keys, numbers) / 0.0054 - 1) < 0.1)
        }

        @Test func `needs a layer of its model, and places it anywhere`() throws {
            let shape = Codecs.Shape(2, 8, 8)
            let codec = Codecs.lowRank(shape, share: 0.5)
            let numbers = Codecs.normals(3 * 16)
            for (layer, layout) in [
                (nil, shape.layout), (2, shape.layout), (-1, shape.layout),
                (0, KVLayout(layers: 2, heads: 1, headDimension: 16)),
            ] as [(Int?, KVLayout)] {
                let error = #expect(throws: TesseraError.self) {
                    try codec.encode(keys: numbers, values: numbers, layout: layout, hints: EncodingHints(layer: layer))
                }
                #expect(error?.code == .invalidInput)
                #expect(error?.message.contains(codec.name) == true)
            }
            #expect(throws: TesseraError.self) {
                try codec.encode(keys: numbers, values: numbers, layout: shape.layout)
            }
            // `place` fills layer 1 of a buffer; a record of layer 0 keeps layer 0's directions there.
            let placed = try (0..<2).map {
                try Codecs.roundTrip(numbers, numbers, by: codec, shape, hints: EncodingHints(layer: $0))
            }
            #expect(placed[0].keys != placed[1].keys)
            let whole = Codecs.lowRank(shape, share: 1)
            for layer in 0..<2 {
                let placed = try Codecs.roundTrip(
                    numbers, numbers, by: whole, shape, hints: EncodingHints(layer: layer))
                #expect(Codecs.relativeError(placed.keys, numbers) < 0.02)
            }
        }

        @Test func `refuses a record of another basis`() throws {
            let shape = Codecs.Shape(2, 8, 8)
            let (one, other) = (Codecs.lowRank(shape, share: 1), Codecs.lowRank(shape, share: 0.9))
            #expect(one.name != other.name)
            #expect(one.name.hasPrefix("lowrank-") && one.name.count == 16)
            let numbers = Codecs.normals(3 * 16)
            let record = try one.encode(
                keys: numbers, values: numbers, layout: shape.layout, hints: EncodingHints(layer: 0))
            let error = #expect(throws: TesseraError.self) {
                try Codecs.place(record, by: other, shape, at: [0, 1, 2])
            }
            #expect(error?.code == .corrupt)
        }

        @Test func `a basis is read as it was written, and not when damaged`() throws {
            let basis = Codecs.lowRank(Codecs.Shape(2, 6, 6), share: 0.5).basis
            let bytes = basis.bytes
            #expect(try LowRankBasis(bytes: bytes) == basis)
            // A slice has other indices than its bytes' places.
            #expect(try LowRankBasis(bytes: (Data([1, 2]) + bytes).dropFirst(2)) == basis)
            for length in 0..<bytes.count { expectRefused(bytes.prefix(length), .corrupt) }
            for offset in bytes.indices {
                for bit in 0..<8 {
                    var damaged = bytes
                    damaged[offset] ^= 1 << UInt8(bit)
                    expectRefused(
                        damaged, (4..<8).contains(offset) && !(offset == 4 && bit == 0) ? .unsupported : .corrupt)
                }
            }
            expectRefused(bytes + [0], .corrupt)
        }

        @Test func `a basis whose digest is right may still not be one`() throws {
            let basis = Codecs.lowRank(Codecs.Shape(2, 6, 6), share: 0.5).basis
            // Extents, a rank, a mean.
            for (offset, number) in [
                (8, 0), (8, 0xFFFF_FFFF), (12, 3), (16, 0x7FFF_FFFF), (20, 7), (20 + 4 * 8, 0x7FC0_0000),
            ] as [(Int, UInt32)] {
                var body = basis.bytes.dropLast(32)
                withUnsafeBytes(of: number.littleEndian) { body.replaceSubrange(offset..<offset + 4, with: $0) }
                expectRefused(body + Digest256(of: body).bytes, .corrupt)
            }
        }

        private func expectRefused(_ data: Data, _ code: TesseraError.Code) {
            let error = #expect(throws: TesseraError.self) { try LowRankBasis(bytes: data) }
            #expect(error?.code == code)
        }

        @Test func `a basis needs tokens in every layer`() {
            var moments = KVMoments(layout: KVLayout(layers: 2, heads: 1, headDimension: 2))
            moments.add(keys: [1, 2], values: [3, 4], layer: 0)
            let error = #expect(throws: TesseraError.self) { try LowRankBasis(moments, share: 0.5) }
            #expect(error?.code == .invalidInput)
        }
    }
}
