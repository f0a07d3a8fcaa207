// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@Suite struct `token saliency` {
    @Test func `of attention is divided by the probes that see a token`() {
        // Rows 1 and 3 of four.
        let attention: [Float] = [0.25, 0.75, 0, 0, 0.5, 0.125, 0.125, 0.25]
        let saliency = TokenSaliency.normalisedAttention(attention, probes: [1, 3], tokens: 4)
        #expect(saliency == [0.375, 0.4375, 0.125, 0.25])
        #expect(TokenSaliency.normalisedAttention([1, 0], probes: [0], tokens: 2) == [1, 0])
        #expect(TokenSaliency.normalisedAttention([], probes: [], tokens: 3) == [0, 0, 0])
    }

    @Test func `of attention does not favour tokens that more rows see`() {
        // Each row attends evenly to the tokens up to its own, but for token 40, to which it attends four times as much.
        let tokens = 64
        let probes = Array(0..<tokens)
        var attention = [Float](repeating: 0, count: tokens * tokens)
        for row in probes {
            let weights = (0...row).map { Float($0 == 40 ? 4 : 1) }
            for (token, weight) in weights.enumerated() {
                attention[row * tokens + token] = weight / weights.reduce(0, +)
            }
        }
        let saliency = TokenSaliency.normalisedAttention(attention, probes: probes, tokens: tokens)
        let sums = (0..<tokens).map { token in probes.reduce(Float(0)) { $0 + attention[$1 * tokens + token] } }
        #expect(sums.firstIndex(of: sums.max() ?? 0) == 0)
        // Early rows have fewer tokens to share themselves among: what is left of the bias is theirs, not the count's.
        #expect(saliency[40] > 3 * saliency[39] && saliency[40] > 3 * saliency[41])
        #expect(sums[0] / sums[60] > 15 && saliency[0] / saliency[60] < 6)
        // The last rows alone see all tokens alike: there the divisor makes uniform attention flat.
        let last = Array(60..<64)
        let recent = TokenSaliency.normalisedAttention(
            last.flatMap { row in (0..<tokens).map { $0 <= row ? Float(1) / Float(row + 1) : 0 } }, probes: last,
            tokens: tokens)
        #expect((recent.max() ?? 0) / (recent.min() ?? 1) < 1.04)
    }

    @Test func `is judged by the last rows and some at random`() {
        let rows = TokenSaliency.probeRows(of: 400, seed: 7)
        #expect(rows.count == 40 && rows == rows.sorted() && Set(rows).count == 40)
        #expect(Array(rows.suffix(20)) == Array(380..<400))
        #expect(rows == TokenSaliency.probeRows(of: 400, seed: 7))
        #expect(rows != TokenSaliency.probeRows(of: 400, seed: 8))
        #expect(TokenSaliency.probeRows(of: 0, seed: 1).isEmpty)
        #expect(TokenSaliency.probeRows(of: 1, seed: 1) == [0])
        #expect(TokenSaliency.probeRows(of: 10, recent: 0.2, random: 1, seed: 1) == Array(0..<10))
        #expect(TokenSaliency.probeRows(of: 10, recent: 0, random: 0, seed: 1) == [9])
        // Every row has its turn.
        let drawn = Set((0..<200).flatMap { TokenSaliency.probeRows(of: 40, seed: $0) })
        #expect(drawn == Set(0..<40))
    }

    @Test func `by the keys is that of those unlike the others`() {
        let layout = KVLayout(layers: 1, heads: 2, headDimension: 4)
        var keys = [Float]()
        for token in 0..<12 {
            let isOdd = token == 8
            // Its length tells nothing.
            keys += (0..<8).map { Float(isOdd ? [0, 0, 3, -3][$0 % 4] : [1, 1, 0, 0][$0 % 4]) * Float(token + 1) }
        }
        let saliency = TokenSaliency.keyDifference(keys, layout: layout)
        #expect(saliency.prefix(4) == [2, 2, 2, 2])
        let ranked = saliency.indices.dropFirst(4).max { saliency[$0] < saliency[$1] }
        #expect(ranked == 8)
        #expect(abs(saliency[5] - saliency[11]) < 1e-6 && saliency[5] < -0.9)
        let still = TokenSaliency.keyDifference(Array(repeating: 0, count: 40), layout: layout)
        #expect(still == [2, 2, 2, 2, 0])
        #expect(TokenSaliency.keyDifference([], layout: layout).isEmpty)
    }
}
