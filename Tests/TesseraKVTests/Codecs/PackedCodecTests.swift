// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TesseraTestSupport
import Testing

@testable import TesseraKV

extension Codecs {
    /// What the codecs of few bits have in common.
    @Suite struct `packed codecs` {
        private static let shape = Codecs.Shape(2, 48, 32)

        @Test(arguments: PackedGoldens.all) func `write and read what their documentation says`(golden: PackedGoldens)
            throws
        {
            let shape = Codecs.Shape(golden.heads, golden.dimension, 0)
            for expected in golden.codecs {
                let codec = try codec(expected.codec, golden)
                let record = try #require([UInt8](hexadecimal: expected.record))
                for isa in Codecs.sets {
                    let placed = try Codecs.limited(to: isa) {
                        try Codecs.place(record, by: codec, shape, at: Array(repeating: 0, count: golden.tokens))
                    }
                    #expect(largestDifference(placed.keys, expected.keys) < 4e-6, "\(expected.codec)")
                    #expect(largestDifference(placed.values, expected.values) < 4e-6, "\(expected.codec)")
                }
                let own = try codec.encode(
                    keys: golden.keys, values: golden.values, layout: shape.layout,
                    hints: EncodingHints(layer: golden.layer, saliency: golden.saliency))
                #expect(own == record, "\(expected.codec)")
                if expected.codec != "lowrank" {
                    #expect(own.count == codec.byteCount(tokens: golden.tokens, layout: shape.layout))
                }
            }
        }

        private func codec(_ name: String, _ golden: PackedGoldens) throws -> any KVCodec {
            guard name == "lowrank" else { return try #require(StoreCodec.codec(named: name)) }
            let bytes = try #require([UInt8](hexadecimal: golden.basis))
            return LowRankCodec(basis: try LowRankBasis(bytes: Data(bytes)))
        }

        @Test(arguments: Codecs.shapes)
        func `give the same bits on every instruction set`(shape: Codecs.Shape) throws {
            for subject in Codecs.packed(shape) {
                let count = 11 * shape.layout.width
                let record = try subject.codec.encode(
                    keys: Codecs.normals(count, seed: 3), values: Codecs.normals(count, seed: 4), layout: shape.layout,
                    hints: EncodingHints(layer: 1))
                for pairing in [RotaryTable.Pairing.interleaved, .halves] {
                    let placed = try Codecs.sets.map { isa in
                        try Codecs.limited(to: isa) {
                            try Codecs.place(record, by: subject.codec, shape, at: Array(20..<31), pairing)
                        }
                    }
                    for (other, isa) in zip(placed, Codecs.sets).dropFirst() {
                        // Keys of q8 and fp16, as in k8v4 and in q4's first four tokens, and the sums of lowrank are
                        // fused, one rounding fewer.
                        let isFused = subject.codec.name.hasPrefix("lowrank")
                        let fused = ["k8v4": 11, "q4": 4, "zipcache": 0][subject.codec.name] ?? 11
                        let split = fused * shape.layout.width
                        #expect(largestDifference(other.keys, placed[0].keys) <= 4e-6, "\(isa)")
                        #expect(other.keys[split...] == placed[0].keys[split...], "\(isa)")
                        #expect(largestDifference(other.values, placed[0].values) <= (isFused ? 4e-6 : 0), "\(isa)")
                    }
                }
            }
        }

        /// Sizes against fp16's, for 512 tokens of 512 channels, everything included.
        @Test(
            arguments: [("q8", 0.54), ("k8v4", 0.42), ("q4", 0.30), ("zipcache", 0.22)],
            [Codecs.Shape(8, 64, 64), Codecs.Shape(4, 128, 128)])
        func `are as small as they should be`(limit: (name: String, ratio: Double), shape: Codecs.Shape) throws {
            let codec = try #require(StoreCodec.codec(named: limit.name))
            let numbers = Codecs.normals(512 * 512)
            let record = try codec.encode(keys: numbers, values: numbers, layout: shape.layout)
            #expect(record.count == codec.byteCount(tokens: 512, layout: shape.layout))
            #expect(Double(record.count) / Double(4 * 512 * 512) <= limit.ratio)
        }

        /// Relative errors of normal numbers with 128 dimensions. Design figures: q8 0.0054, CST of 4 bits 0.100 and
        /// channelwise 4 bits over 512 tokens 0.118, and for 4 bits with a scale for each 32 0.086, which searched scales
        /// and levels of their own make 0.074.
        @Test(
            arguments: [
                ("k8v4", 0.0054, 0.0740), ("q4", 0.0737, 0.0737), ("zipcache", 0.118, 0.100),
            ] as [(String, Double, Double)])
        func `err as much as they should`(name: String, keys: Double, values: Double) throws {
            let shape = Codecs.Shape(1, 128, 0)
            let codec: any KVCodec =
                name == "zipcache" ? ZipCacheCodec(salientShare: 1) : try #require(StoreCodec.codec(named: name))
            let numbers = (Codecs.normals(512 * 128, seed: 5), Codecs.normals(512 * 128, seed: 6))
            let placed = try Codecs.roundTrip(numbers.0, numbers.1, by: codec, shape)
            #expect(abs(Codecs.relativeError(placed.keys, numbers.0) / keys - 1) < 0.05)
            #expect(abs(Codecs.relativeError(placed.values, numbers.1) / values - 1) < 0.05)
        }

        @Test(arguments: packed(shape), [Float.nan, .infinity, -.infinity, 65505, -1e9])
        func `refuse what they can't hold, naming the token`(subject: Codecs.Subject, number: Float) {
            let count = 3 * Self.shape.layout.width
            for inKeys in [true, false] {
                var numbers = [Float](repeating: 1, count: count)
                numbers[Self.shape.layout.width + 5] = number
                let plain = [Float](repeating: 1, count: count)
                let error = #expect(throws: TesseraError.self) {
                    try subject.codec.encode(
                        keys: inKeys ? numbers : plain, values: inKeys ? plain : numbers, layout: Self.shape.layout,
                        hints: EncodingHints(layer: 1))
                }
                #expect(error?.code == .invalidInput)
                #expect(error?.message.contains("token 1") == true)
                #expect(error?.message.contains(subject.codec.name) == true)
            }
        }

        @Test(arguments: packed(shape)) func `hold the largest and the smallest numbers`(subject: Codecs.Subject) throws
        {
            for scale: Float in [65504, 1, 1e-6, 1e-12, 1e-38, 0] {
                var generator = SplitMix64(seed: 8)
                let numbers = (0..<9 * Self.shape.layout.width).map { _ in
                    Bool.random(using: &generator) ? scale : -scale
                }
                let placed = try Codecs.roundTrip(numbers, numbers, by: subject.codec, Self.shape)
                #expect((placed.keys + placed.values).allSatisfy { $0.isFinite && abs($0) <= 4 * scale + 3 })
            }
        }

        @Test(arguments: packed(shape)) func `of a newer version are refused by name`(subject: Codecs.Subject) throws {
            let record = try record(by: subject.codec, tokens: 9)
            #expect(record[0] == 1)
            var newer = record
            newer[0] = 2
            let error = #expect(throws: TesseraError.self) {
                try Codecs.place(newer, by: subject.codec, Self.shape, at: Array(4..<13))
            }
            #expect(error?.code == .unsupported)
            for part in [subject.codec.name, "version 2", "version 1"] {
                #expect(error?.message.contains(part) == true)
            }
            newer[0] = 0
            try expectCorrupt(newer, subject.codec)
        }

        @Test(arguments: [shape, Codecs.Shape(3, 7, 6)])
        func `read every bit, or refuse one that nothing belongs into`(shape: Codecs.Shape) throws {
            let positions = Array(4..<Int32(13))
            for subject in Codecs.packed(shape) {
                let record = try record(by: subject.codec, tokens: 9, shape)
                let first = try Codecs.place(record, by: subject.codec, shape, at: positions)
                for offset in record.indices {
                    var damaged = record
                    damaged[offset] ^= 0x80
                    do {
                        let placed = try Codecs.place(damaged, by: subject.codec, shape, at: positions)
                        #expect(placed.keys != first.keys || placed.values != first.values, "byte \(offset)")
                    } catch let error as TesseraError {
                        #expect(error.code == .corrupt || offset == 0)
                    }
                }
                try expectCorrupt(record + [0], subject.codec, positions, shape)
                try expectCorrupt([], subject.codec, positions, shape)
                try expectCorrupt(record, subject.codec, positions + [0], shape)
                try expectCorrupt(record, subject.codec, [], shape)
            }
        }

        @Test(arguments: packed(shape)) func `refuse scales that are not finite`(subject: Codecs.Subject) throws {
            let record = try record(by: subject.codec, tokens: 9)
            for offset in halves(of: subject.codec, tokens: 9) {
                for bits: UInt16 in [0x7C00, 0xFC00, 0x7E00] {
                    var damaged = record
                    damaged[offset] = UInt8(truncatingIfNeeded: bits)
                    damaged[offset + 1] = UInt8(bits >> 8)
                    try expectCorrupt(damaged, subject.codec)
                }
            }
        }

        /// Where a record has fp16 numbers.
        private func halves(of codec: any KVCodec, tokens: Int) -> [Int] {
            let layout = Self.shape.layout
            let (width, blocks) = (layout.width, tokens * layout.width / 32)
            func run(_ start: Int, _ count: Int) -> [Int] { (0..<count).map { start + 2 * $0 } }
            switch codec.name {
            case "k8v4":
                let parts = K8V4Sections(tokens: tokens, layout: layout)
                return run(parts.keyMeans, width) + run(parts.keyScales, blocks) + run(parts.values.means, width)
                    + run(parts.values.scales, blocks)
            case "q4":
                let parts = Q4Sections(tokens: tokens, layout: layout)
                return run(parts.wholeKeys, 4 * width) + run(parts.wholeValues, 4 * width)
                    + [parts.keys, parts.values].flatMap {
                        run($0.means, width) + run($0.scales, (tokens - 4) * width / 32)
                    }
            case "zipcache":
                let parts = ZipCacheSections(tokens: tokens, salient: 6, width: width)
                return run(parts.channels, width) + run(parts.rowScales, tokens) + run(parts.rowLeasts, tokens)
                    + parts.kinds.flatMap { run($0.scales, width) + run($0.leasts, width) }
            default:
                guard let codec = codec as? LowRankCodec else { return [] }
                let ranks = KVPart.allCases.map { part in
                    codec.basis.heads(part, layer: 1).reduce(0) { $0 + $1.rank }
                }
                let parts = LowRankSections(tokens: tokens, ranks: (ranks[0], ranks[1])).parts
                return parts.flatMap { run($0.scales, tokens * $0.blocks) }
            }
        }

        private func record(
            by codec: any KVCodec, tokens: Int, _ shape: Codecs.Shape = shape
        ) throws -> [UInt8] {
            let count = tokens * shape.layout.width
            return try codec.encode(
                keys: Codecs.normals(count, seed: 9), values: Codecs.normals(count, seed: 10), layout: shape.layout,
                hints: EncodingHints(layer: 1))
        }

        private func expectCorrupt(
            _ record: [UInt8], _ codec: any KVCodec, _ positions: [Int32] = Array(4..<13), _ shape: Codecs.Shape = shape
        ) throws {
            for isa in Codecs.sets {
                let error = #expect(throws: TesseraError.self) {
                    try Codecs.limited(to: isa) { try Codecs.place(record, by: codec, shape, at: positions) }
                }
                #expect(error?.code == .corrupt)
            }
        }
    }
}
