// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

/// The suites of the codecs, one after the other because tests lower the instruction set for all kernels.
@Suite(.serialized) enum Codecs {
    static let sets: [ck_isa] = [CK_ISA_SCALAR, CK_ISA_AVX2, CK_ISA_AVX512].filter {
        $0.rawValue <= ck_isa_detected().rawValue
    }

    /// Shapes of one layer: whole vectors, tails of vectors, rows of an odd width, dimensions that aren't rotated.
    static let shapes = [
        Shape(1, 8, 8), Shape(2, 32, 32), Shape(3, 48, 48), Shape(2, 64, 32), Shape(2, 80, 80), Shape(1, 128, 128),
        Shape(2, 20, 12), Shape(3, 7, 6), Shape(5, 13, 4), Shape(1, 1, 0), Shape(2, 33, 24),
    ]

    struct Shape: Sendable, CustomTestStringConvertible {
        let heads, dimension, rotated: Int

        init(_ heads: Int, _ dimension: Int, _ rotated: Int) {
            (self.heads, self.dimension, self.rotated) = (heads, dimension, rotated)
        }

        var layout: KVLayout { KVLayout(layers: 2, heads: heads, headDimension: dimension) }
        var testDescription: String { "\(heads) × \(dimension), \(rotated) rotated" }

        func table(_ pairing: RotaryTable.Pairing) -> RotaryTable {
            RotaryTable(dimensions: rotated, base: 10_000, pairing: pairing)
        }
    }

    /// Runs `body` with kernels of no higher instruction set.
    static func limited<R>(to isa: ck_isa, _ body: () throws -> R) rethrows -> R {
        ck_isa_limit(isa)
        defer { ck_isa_limit(ck_isa_detected()) }
        return try body()
    }

    /// What a record puts into layer 1 of a buffer, in slots behind three others.
    static func place(
        _ record: [UInt8], by codec: any KVCodec, _ shape: Shape, at positions: [Int32],
        _ pairing: RotaryTable.Pairing = .interleaved
    ) throws -> (keys: [Float], values: [Float]) {
        let tokens = positions.count
        let buffer = try KVBuffer(layout: shape.layout, capacity: tokens + 7)
        buffer.setPositions(positions, from: 3)
        try record.withUnsafeBytes { bytes in
            try codec.place(
                bytes, tokens: tokens, into: buffer, layer: 1, at: 3, angles: shape.table(pairing).angles(at: positions)
            )
        }
        // Nothing else was touched.
        #expect(buffer.rows(0..<3, of: 1).keys.allSatisfy { $0 == 0 })
        #expect(buffer.rows(tokens + 3..<tokens + 7, of: 1).values.allSatisfy { $0 == 0 })
        #expect(buffer.rows(0..<tokens + 7, of: 0).keys.allSatisfy { $0 == 0 })
        return buffer.rows(3..<tokens + 3, of: 1)
    }

    /// RoPE in double precision, from fp32 angles as the models compute them.
    static func rotate(_ keys: [Double], _ positions: [Int32], _ shape: Shape, _ table: RotaryTable) -> [Double] {
        var out = keys
        for (token, position) in positions.enumerated() {
            for head in 0..<shape.heads {
                let start = (token * shape.heads + head) * shape.dimension
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

    /// A number as bf16 keeps it.
    static func bf16(_ number: Float) -> Float {
        let bits = number.bitPattern
        let below = bits & 0xFFFF_0000
        let isUp = bits & 0xFFFF > 0x8000 || (bits & 0xFFFF == 0x8000 && bits & 0x1_0000 != 0)
        return Float(bitPattern: isUp ? below + 0x1_0000 : below)
    }
}
