// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

/// Lengths around the widths of all vectors.
private let lengths = Array(0...35) + [63, 64, 65, 127, 130, 1000]

@Suite struct `Row kernels` {
    @Test(arguments: InstructionSet.all)
    func `the RMS norm is x over the root of the mean square`(set: InstructionSet) {
        var random = SplitMix64(seed: 1)
        for n in lengths where n > 0 {
            let (x, weight) = (random.floats(n, scale: 3), random.floats(n))
            let meanSquare = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(n)
            let expected = zip(x, weight).map { Double($0) / (meanSquare + 1e-5).squareRoot() * Double($1) }
            var out = [Float](repeating: .nan, count: n)
            set.rows.rms_norm(x, weight, 1e-5, &out, n)
            #expect(relativeDifference(out, expected) < 1e-6)
            var halves = [UInt16](repeating: 0, count: n)
            set.rows.rms_norm_bf16(x, weight, 1e-5, &halves, n)
            #expect(relativeDifference(halves.map(widened), expected) < 4e-3)
            #expect(abs(Double(set.rows.sum_of_squares(x, n)) / Double(n) - meanSquare) < 1e-6 * meanSquare)
        }
    }

    @Test(arguments: InstructionSet.all)
    func `SwiGLU is silu of the gate times up`(set: InstructionSet) {
        var random = SplitMix64(seed: 2)
        for n in lengths {
            // Gates far out on both sides, where the exponential leaves the range of fp32.
            let gate = random.floats(n, scale: 20).enumerated().map { $0 % 7 == 6 ? $1 * 10 : $1 }
            let up = random.floats(n)
            let expected = zip(gate, up).map { Double($0) / (1 + exp(-Double($0))) * Double($1) }
            var out = [Float](repeating: .nan, count: n)
            set.rows.swiglu(gate, up, &out, n)
            #expect(zip(out, expected).allSatisfy { abs(Double($0) - $1) <= 1e-6 * abs($1) + 1e-30 })
            var halves = [UInt16](repeating: 0, count: n)
            set.rows.swiglu_bf16(gate, up, &halves, n)
            #expect(halves == out.map(narrowed))
        }
    }

    @Test(arguments: InstructionSet.all, [(64, 32), (48, 24), (32, 4), (10, 3), (6, 0)])
    func `RoPE turns neighbouring pairs and copies the rest`(set: InstructionSet, shape: (Int, Int)) {
        let (dimension, pairs) = shape
        var random = SplitMix64(seed: 3)
        for heads in 0...3 {
            let x = random.floats(heads * dimension)
            let angles = random.floats(pairs, scale: 3)
            var expected = x
            for head in 0..<heads {
                for pair in 0..<pairs {
                    let (even, odd) = (head * dimension + 2 * pair, head * dimension + 2 * pair + 1)
                    expected[even] = x[even] * cos(angles[pair]) - x[odd] * sin(angles[pair])
                    expected[odd] = x[even] * sin(angles[pair]) + x[odd] * cos(angles[pair])
                }
            }
            var out = [Float](repeating: .nan, count: x.count)
            set.rows.rope(x, angles.map { cos($0) }, angles.map { sin($0) }, pairs, heads, dimension, &out)
            #expect(largestDifference(out, expected) < 1e-6)
        }
    }

    @Test(arguments: InstructionSet.all)
    func `BF16 is rounded to nearest, ties to even, and NaN stays NaN`(set: InstructionSet) {
        var random = SplitMix64(seed: 4)
        for n in lengths {
            let x = (0..<n).map { _ in Float(bitPattern: UInt32.random(in: .min ... .max, using: &random)) }
            var out = [UInt16](repeating: 0, count: n)
            set.rows.narrow_bf16(x, &out, n)
            #expect(zip(out, x).allSatisfy { $1.isNaN ? widened($0).isNaN : $0 == narrowed($1) })
            var back = [Float](repeating: 0, count: n)
            set.rows.widen_bf16(out, &back, n)
            #expect(zip(back, out).allSatisfy { $0.bitPattern == UInt32($1) << 16 })
        }
        // Exactly between two BF16 numbers: towards the even one, up and down.
        let ties = [UInt32(0x3F80_8000), 0x3F81_8000, 0xBF80_8000, 0x7F7F_8000].map(Float.init(bitPattern:))
        var out = [UInt16](repeating: 0, count: 4)
        set.rows.narrow_bf16(ties, &out, 4)
        #expect(out == [0x3F80, 0x3F82, 0xBF80, 0x7F80])
    }

    @Test(arguments: InstructionSet.all)
    func `Q8_0 is a scale times signed bytes`(set: InstructionSet) {
        var random = SplitMix64(seed: 5)
        for blocks in 0...5 {
            var bytes: [UInt8] = []
            var expected: [Float] = []
            for _ in 0..<blocks {
                let scale = UInt16.random(in: 0x1000...0x4000, using: &random)
                bytes += [UInt8(scale & 0xFF), UInt8(scale >> 8)]
                var wide: Float = 0
                ck_f32_from_f16(&wide, [scale], 1)
                for _ in 0..<32 {
                    let quant = Int8.random(in: .min ... .max, using: &random)
                    bytes.append(UInt8(bitPattern: quant))
                    expected.append(wide * Float(quant))
                }
            }
            var out = [Float](repeating: .nan, count: 32 * blocks)
            set.rows.widen_q8_0(bytes, &out, out.count)
            #expect(out == expected)
        }
    }
}

/// BF16 by the definition: the nearest of the two neighbours, the even one in the middle.
private func narrowed(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    let (below, rest) = (UInt16(bits >> 16), bits & 0xFFFF)
    return rest > 0x8000 || (rest == 0x8000 && below & 1 == 1) ? below &+ 1 : below
}

private func widened(_ half: UInt16) -> Float { Float(bitPattern: UInt32(half) << 16) }
