// SPDX-License-Identifier: Apache-2.0

import TesseraTestSupport
import Testing

@testable import TesseraKV

/// What a buffer holds once it keeps a part of another; how models answer over it stands in the runtime's tests.
struct `a buffer that keeps a part of another` {
    /// Two layers of two heads of two dimensions: six tokens, whose numbers say where they stood.
    let whole: KVBuffer
    let layout = KVLayout(layers: 2, heads: 2, headDimension: 2)

    init() throws {
        whole = try KVBuffer(layout: layout, capacity: 6)
        for layer in 0..<2 {
            for index in 0..<24 {
                whole.keys(of: layer)[index] = key(layer, index / 4, index % 4)
                whole.values(of: layer)[index] = -key(layer, index / 4, index % 4)
            }
        }
    }

    func key(_ layer: Int, _ token: Int, _ channel: Int) -> Float { Float(100 * layer + 10 * token + channel) }

    /// The rows that a layer should have: of each row, the token that each head keeps.
    func rows(_ layer: Int, _ tokens: [[Int]]) -> [Float] {
        tokens.flatMap { heads in (0..<4).map { key(layer, heads[$0 / 2], $0) } }
    }

    @Test func `has the chosen rows, those of a shared set in every head, and empty ones behind them`() throws {
        let kept = try KeptTokens(tokens: 6, layers: [[[1, 2, 5]], [[0]]])
        let buffer = try KVBuffer(keeping: kept, of: whole, room: 2)
        #expect(buffer.capacity == 8 && buffer.pressed == 6 && buffer.layout == layout)
        for (layer, tokens) in [[[1, 1], [2, 2], [5, 5]], [[0, 0]]].enumerated() {
            let right = rows(layer, tokens)
            #expect(buffer.rows(0..<6, of: layer).keys == right)
            #expect(buffer.rows(0..<6, of: layer).values == right.map { -$0 })
            let tail = buffer.rows(6..<8, of: layer)
            #expect(tail.keys == Array(repeating: 0, count: 8) && tail.values == tail.keys)
        }
        #expect(whole.rows(0..<6, of: 1).keys == rows(1, (0..<6).map { [$0, $0] }), "the other stays as it was")
    }

    @Test func `has of each head the tokens of its own set`() throws {
        let kept = try KeptTokens(tokens: 6, layers: [[[0, 3], [2, 5]], [[1, 4]]])
        let buffer = try KVBuffer(keeping: kept, of: whole, room: 0)
        #expect(buffer.rows(0..<6, of: 0).keys == rows(0, [[0, 2], [3, 5]]))
        #expect(buffer.rows(0..<6, of: 0).values == rows(0, [[0, 2], [3, 5]]).map { -$0 })
        #expect(buffer.rows(0..<6, of: 1).keys == rows(1, [[1, 1], [4, 4]]))
    }

    @Test func `keeps slots' positions, states those of rows, and goes on from where the tokens ended`() throws {
        whole.setPositions([3, 4, 9, 10, 11, 40], from: 0)
        let kept = try KeptTokens(tokens: 6, layers: [[[0, 3], [2, 5]], [[1]]])
        let buffer = try KVBuffer(keeping: kept, of: whole, room: 2)
        #expect(buffer.positions == [3, 4, 9, 10, 11, 40, 41, 42])
        // Heads with sets of their own share what is stated: the later.
        #expect(buffer.positions(of: 0) == [9, 40, 41, 42] && buffer.positions(of: 1) == [4, 41, 42])
        buffer.setPositions([50, 60], from: 6)
        #expect(buffer.positions(of: 0) == [9, 40, 50, 60] && buffer.positions(of: 1) == [4, 50, 60])
    }

    @Test func `may keep a part of the first tokens alone`() throws {
        let kept = try KeptTokens(tokens: 3, layers: [[[2]], [[0, 1, 2]]])
        let buffer = try KVBuffer(keeping: kept, of: whole, room: 1)
        #expect(buffer.positions == [0, 1, 2, 3] && buffer.pressed == 3)
        #expect(buffer.rows(0..<3, of: 0).keys == rows(0, [[2, 2]]))
        #expect(buffer.rows(0..<3, of: 1).keys == rows(1, [[0, 0], [1, 1], [2, 2]]))
    }

    @Test func `averages values that go into their nearest neighbours that stay, and leaves keys as they are`() throws {
        let kept = try KeptTokens(tokens: 6, layers: [[[1, 4], [0, 5]], [[3]]], merges: true)
        let buffer = try KVBuffer(keeping: kept, of: whole, room: 0)
        #expect(buffer.rows(0..<6, of: 0).keys == rows(0, [[1, 0], [4, 5]]))
        #expect(buffer.rows(0..<6, of: 1).keys == rows(1, [[3, 3]]))
        // The first head's token 1 stands for 0, 1, 2 and its 4 for 3, 4, 5; so do the second head's 0 and 5.
        #expect(buffer.rows(0..<6, of: 0).values == rows(0, [[1, 1], [4, 4]]).map { -$0 })
        let mean: [Float] = [125, 126, 127, 128]
        #expect(buffer.rows(0..<6, of: 1).values == mean.map { -$0 })
    }

    @Test func `merges nothing where all tokens stay`() throws {
        let all = try KeptTokens(tokens: 6, layers: Array(repeating: [Array(0..<6)], count: 2), merges: true)
        let buffer = try KVBuffer(keeping: all, of: whole, room: 0)
        for layer in 0..<2 {
            #expect(buffer.rows(0..<6, of: layer).keys == whole.rows(0..<6, of: layer).keys)
            #expect(buffer.rows(0..<6, of: layer).values == whole.rows(0..<6, of: layer).values)
        }
    }

    @Test func `merges by nearness, of two equally near tokens into the earlier`() {
        #expect(buckets(of: 6, around: [1, 4]) == [0..<3, 3..<6])
        #expect(buckets(of: 7, around: [1, 3, 6]) == [0..<3, 3..<5, 5..<7])
        #expect(buckets(of: 5, around: [4]) == [0..<5] && buckets(of: 5, around: [0]) == [0..<5])
        #expect(buckets(of: 3, around: [0, 1, 2]) == [0..<1, 1..<2, 2..<3])
        var random = SplitMix64(seed: 51)
        for _ in 0..<100 {
            let tokens = Int.random(in: 1...40, using: &random)
            let set = Set(
                (0..<Int.random(in: 1...10, using: &random)).map { _ in Int.random(in: 0..<tokens, using: &random) }
            )
            .sorted()
            for (token, bucket) in zip(set, buckets(of: tokens, around: set)) {
                #expect(bucket.contains(token))
                for other in bucket {
                    let nearest = set.min { (abs($0 - other), $0) < (abs($1 - other), $1) }
                    #expect(nearest == token)
                }
            }
        }
    }

    @Test func `refuses sets of other layers, heads or tokens, and a buffer that was pressed before`() throws {
        func refused(_ tokens: Int, _ layers: [[[Int]]], of other: KVBuffer, _ words: String) throws {
            let kept = try KeptTokens(tokens: tokens, layers: layers)
            expectRefusal(.invalidInput, words, "2 layers, 2 KV heads") {
                try KVBuffer(keeping: kept, of: other, room: 1)
            }
        }
        try refused(6, [[[0]]], of: whole, "sets of 1 layers")
        try refused(6, [[[0]], [[0]], [[0]]], of: whole, "sets of 3 layers")
        try refused(6, [[[0]], [[0], [1], [2]]], of: whole, "don't fit")
        try refused(7, [[[0]], [[0]]], of: whole, "over 7 tokens")
        let pressed = try KVBuffer(keeping: KeptTokens(tokens: 6, layers: [[[0]], [[0]]]), of: whole, room: 1)
        try refused(6, [[[0]], [[0]]], of: pressed, "whole buffer")
    }
}
