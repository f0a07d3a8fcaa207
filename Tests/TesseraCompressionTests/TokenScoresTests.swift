// SPDX-License-Identifier: Apache-2.0

import TesseraCompression
import TesseraKV
import TesseraTestSupport
import Testing

struct `scores of tokens` {
    let heads = TokenScores(heads: [[1, 5, -2, 0], [3, -1, -4, 0]])

    @Test func `become one of all heads by their mean or by the highest`() {
        #expect(heads.shared(.mean) == TokenScores(shared: [2, 2, -3, 0]))
        #expect(heads.shared(.maximum) == TokenScores(shared: [3, 5, -2, 0]))
        #expect(
            TokenScores.shared([heads, TokenScores(shared: [5, 2, 0, 0])], .mean) == TokenScores(shared: [3, 2, -2, 0]))
        #expect(TokenScores(shared: [1, 2]).shared(.mean) == TokenScores(shared: [1, 2]))
    }

    @Test func `that protect a token do so whatever other heads say`() {
        let infinity = Float.infinity
        let scores = TokenScores(heads: [[infinity, 1, -infinity, infinity], [-infinity, infinity, 2, 2]])
        #expect(scores.shared(.mean) == TokenScores(shared: [infinity, infinity, -infinity, infinity]))
        #expect(scores.shared(.maximum) == TokenScores(shared: [infinity, infinity, 2, infinity]))
    }

    @Test func `that are as large as Floats go do not become infinite when they are averaged`() {
        let largest = Float.greatestFiniteMagnitude
        let scores = TokenScores(heads: [[largest, -largest], [largest, -largest], [largest, -largest]])
        #expect(scores.shared(.mean) == TokenScores(shared: [largest, -largest]))
    }

    @Test func `protect first and last tokens, all where there are fewer, and no negative number of them`() throws {
        var scores = TokenScores(shared: [1, 2, 3, 4])
        try scores.protect(first: 1)
        try scores.protect(last: 2)
        #expect(scores == TokenScores(shared: [.infinity, 2, .infinity, .infinity]))
        try scores.protect(last: .max)
        #expect(scores == TokenScores(shared: Array(repeating: .infinity, count: 4)))
        expectRefusal(.invalidInput, "no fewer than 0") { try scores.protect(first: -1) }
        expectRefusal(.invalidInput, "no fewer than 0") { try scores.protect(last: -1) }
    }

    @Test func `of a wrapped press stay as they are but for the first and the last tokens`() throws {
        let view = ViewShape(tokens: 20).view()
        let press = Protecting(KeyDiffPress(), first: 3, last: 2)
        let (bare, guarded) = (KeyDiffPress().scores(of: view), try press.scores(of: view))
        for (bare, guarded) in zip(bare.heads, guarded.heads) {
            #expect(guarded[3..<18] == bare[3..<18])
            #expect((guarded[..<3] + guarded[18...]).allSatisfy { $0 == .infinity })
        }
        #expect(press.name == "keydiff" && press.needs == KeyDiffPress().needs)
        #expect(Protecting(KVzipPress()).reduction == .maximum)
    }
}
