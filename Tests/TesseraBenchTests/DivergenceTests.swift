// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import Testing

@testable import TesseraBench

struct `divergence of next-token distributions` {
    @Test func `equals the definition on a hand-made pair`() {
        // p = (1/2, 1/2), q = (1/4, 3/4), both given as logits with an offset that must not matter.
        let p: [Float] = [5, 5]
        let q = [Float(log(0.25)) - 3, Float(log(0.75)) - 3]
        #expect(abs(divergence(from: p, to: q) - (0.5 * log(2.0) + 0.5 * log(2.0 / 3))) < 1e-6)
        #expect(divergence(from: p, to: p) < 1e-12)
    }

    @Test func `a mean goes over rows`() {
        // The first rows are equal, the second differ as above.
        let p: [Float] = [1, 2, 5, 5]
        let q = [1, 2, Float(log(0.25)), Float(log(0.75))]
        let second = divergence(from: [5, 5], to: Array(q[2...]))
        #expect(abs(ReferenceDistributions(p, vocabulary: 2).meanDivergence(to: q) - second / 2) < 1e-6)
    }

    @Test func `large logits do not overflow`() {
        #expect(divergence(from: [1000, 0], to: [1000, 0]) < 1e-12)
        #expect(divergence(from: [1000, 0], to: [0, 1000]) > 900)
    }
}

struct `judging answers` {
    @Test(arguments: [
        (" Tom lives in Dunmere.", true), ("Tom lives in Dunmere", true), ("Tom lives in Dunford.", false), ("", false),
    ])
    func `only white space around and a closing full stop are forgiven`(answer: String, right: Bool) {
        #expect(isRight(answer, among: ["Tom lives in Dunmere."]) == right)
    }

    @Test func `a broken line is named`() {
        let error = #expect(throws: TesseraError.self) {
            try Questions.read(
                "{\"question\":\"q\",\"answers\":[\"a\"],\"kind\":\"k\"}\n\n{\"question\"\n", named: "file")
        }
        #expect(error?.message.contains("line 3") == true)
    }

    @Test func `medians are those of the figures`() {
        #expect(median([3, 1, 2]) == 2)
        #expect(median([4, 1, 2, 3]) == 2.5)
        #expect(median([]) == 0)
    }
}
