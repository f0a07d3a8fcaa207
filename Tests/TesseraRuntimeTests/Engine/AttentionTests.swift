// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@Suite struct `Attention` {
    /// Query heads, KV heads, dimension.
    static let shapes = [(2, 2, 32), (8, 2, 64), (7, 1, 48), (4, 4, 128), (3, 1, 40), (2, 1, 5), (4, 1, 80)]

    @Test(arguments: InstructionSet.all, shapes)
    func `equals softmax in double precision`(set: InstructionSet, shape: (Int, Int, Int)) {
        for (rows, slots) in [(1, 1), (5, 63), (30, 64), (31, 65), (100, 200)] {
            let attention = AttentionCase(
                heads: shape.0, keyHeads: shape.1, dimension: shape.2,
                queryPositions: (0..<Int32(rows)).map { Int32(slots - rows) + $0 },
                keyPositions: Array(0..<Int32(slots)), seed: UInt64(rows))
            expectDefined(attention, set)
        }
    }

    @Test(arguments: InstructionSet.all)
    func `masks by position, whatever the order of slots`(set: InstructionSet) {
        var random = SplitMix64(seed: 7)
        let positions = Array(0..<Int32(300)).shuffled(using: &random)
        let attention = AttentionCase(
            heads: 4, keyHeads: 2, dimension: 64, queryPositions: [299, 3, 170, 0, 64, 63, 65, 128, 250, 1, 2],
            keyPositions: positions)
        expectDefined(attention, set)
    }

    @Test(arguments: InstructionSet.all)
    func `positions may repeat, and keys of the query's own position are seen`(set: InstructionSet) {
        let positions = (0..<Int32(150)).map { $0 % 10 * 5 }
        let attention = AttentionCase(
            heads: 4, keyHeads: 2, dimension: 32, queryPositions: [0, 4, 5, 5, 44, 45, 100, 10, 10],
            keyPositions: positions)
        expectDefined(attention, set)
    }

    @Test(arguments: InstructionSet.all)
    func `a row that sees nothing is zero with an empty log-sum`(set: InstructionSet) {
        let attention = AttentionCase(
            heads: 2, keyHeads: 1, dimension: 32, queryPositions: [4, 5, 500], keyPositions: Array(5..<Int32(133)))
        expectDefined(attention, set)
        let blind = attention.tiled(set.isa, CK_FP32)
        #expect(blind.output.prefix(64).allSatisfy { $0 == 0 })
        #expect(blind.logSums.prefix(2).allSatisfy { $0 == -.infinity })
    }

    @Test(arguments: InstructionSet.all, [CK_FP32, CK_BF16])
    func `a key behind the query changes not a bit`(set: InstructionSet, precision: ck_precision) {
        let seen = AttentionCase(
            heads: 2, keyHeads: 1, dimension: 64, queryPositions: [70, 90, 100], keyPositions: Array(0..<Int32(128)))
        // The same keys at other places in time: what lies behind position 100 is now earlier in no one's past.
        let moved = AttentionCase(
            heads: 2, keyHeads: 1, dimension: 64, queryPositions: [70, 90, 100],
            keyPositions: Array(0..<Int32(101)) + Array(repeating: 1000, count: 27))
        #expect(seen.tiled(set.isa, precision).output == moved.tiled(set.isa, precision).output)
    }

    @Test(arguments: InstructionSet.all, [CK_FP32, CK_BF16])
    func `parts over several ranges merge into the whole`(set: InstructionSet, precision: ck_precision) {
        let attention = AttentionCase(
            heads: 4, keyHeads: 2, dimension: 64, queryPositions: [10, 60, 150, 199, 42],
            keyPositions: Array(0..<Int32(200)))
        let parts = [0..<50, 50..<51, 51..<180, 180..<200].map { attention.tiled(set.isa, precision, slots: $0) }
        var merged = [Float](repeating: 0, count: attention.queries.count)
        for row in 0..<20 {
            let sums = parts.map { exp(Double($0.logSums[row])) }
            let total = sums.reduce(0, +)
            for (part, sum) in zip(parts, sums) {
                for index in row * 64..<(row + 1) * 64 { merged[index] += part.output[index] * Float(sum / total) }
            }
        }
        let whole = attention.tiled(set.isa, precision).output
        #expect(largestDifference(merged, whole) < tolerance(precision, set))
    }

    private func expectDefined(_ attention: AttentionCase, _ set: InstructionSet) {
        let (expected, probabilities) = attention.defined()
        for precision in [CK_FP32, CK_BF16] {
            let result = attention.tiled(set.isa, precision)
            let tolerance = tolerance(precision, set)
            #expect(largestDifference(result.output, expected.output) < tolerance)
            #expect(largestFiniteDifference(result.logSums, expected.logSums) < 4 * tolerance)
        }
        let direct = attention.direct(set.isa)
        #expect(largestDifference(direct.result.output, expected.output) < 3e-6)
        #expect(largestFiniteDifference(direct.result.logSums, expected.logSums) < 1e-5)
        #expect(largestDifference(direct.probabilities, probabilities) < 3e-6)
    }

    /// What fp32 sums, or BF16's 8 bits of queries, keys and weights, cost at scores of this size.
    private func tolerance(_ precision: ck_precision, _ set: InstructionSet) -> Float {
        precision == CK_BF16 && set.isa == CK_ISA_AVX512_BF16 ? 3e-2 : 5e-6
    }

    private func largestFiniteDifference(_ a: [Float], _ b: [Float]) -> Float {
        zip(a, b).map { $0 == $1 ? 0 : abs($0 - $1) }.max() ?? 0
    }
}
