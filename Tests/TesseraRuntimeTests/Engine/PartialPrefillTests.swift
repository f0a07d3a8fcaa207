// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

@Suite struct `Partial prefill` {
    private let tokens = GoldenModel.random[0].prompt
    private let engine: CPUEngine

    init() throws {
        engine = try GoldenModel.random[0].engine(.fp32)
    }

    @Test(arguments: [1, 7, 24, 47])
    func `prefix and rest in two calls give what one call gives`(prefix: Int) throws {
        let (whole, parts) = (try engine.buffer(tokens.count), try engine.buffer(tokens.count))
        let expected = try engine.prefill(tokens, at: Array(tokens.indices), over: whole, logits: .all).logits
        try engine.prefill(Array(tokens[..<prefix]), at: Array(0..<prefix), over: parts, logits: .none)
        let rest = Array(prefix..<tokens.count)
        let logits = try engine.prefill(Array(tokens[prefix...]), at: rest, over: parts, logits: .all).logits
        #expect(largestDifference(logits, Array(expected.suffix(logits.count))) < 1e-4)
        expectSameKV(parts, whole)
    }

    @Test func `a prompt longer than a tile gives what one token at a time gives`() throws {
        let long = (0..<600).map { tokens[$0 * 7 % tokens.count] }
        let (whole, stepped) = (try engine.buffer(long.count), try engine.buffer(long.count))
        let expected = try engine.prefill(long, at: Array(long.indices), over: whole, logits: .all).logits
        var logits: [Float] = []
        for slot in long.indices {
            logits += try engine.prefill([long[slot]], at: [slot], over: stepped, logits: .last).logits
        }
        #expect(largestDifference(logits, expected) < 1e-4)
        expectSameKV(stepped, whole)
    }

    @Test func `slots in any order of positions give what the plain order gives`() throws {
        let plain = try engine.buffer(tokens.count)
        let expected = try engine.prefill(tokens, at: Array(tokens.indices), over: plain, logits: .all).logits
        // Slot s holds the token of position (5 s + 3) mod 48.
        let order = tokens.indices.map { (5 * $0 + 3) % tokens.count }
        let buffer = try engine.buffer(tokens.count)
        buffer.setPositions(order.map { Int32($0) }, from: 0)
        let shuffled = order.map { tokens[$0] }
        let logits = try engine.prefill(shuffled, at: Array(tokens.indices), over: buffer, logits: .all).logits
        let vocabulary = engine.model.vocabulary
        for (slot, position) in order.enumerated() {
            let (row, expectedRow) = (slot * vocabulary, position * vocabulary)
            #expect(
                largestDifference(
                    Array(logits[row..<row + vocabulary]), Array(expected[expectedRow..<expectedRow + vocabulary]))
                    < 1e-4)
        }
    }

    @Test func `recomputing scattered rows over the true KV changes nothing`() throws {
        let buffer = try engine.buffer(tokens.count)
        let expected = try engine.prefill(tokens, at: Array(tokens.indices), over: buffer, logits: .all).logits
        let slots = [3, 4, 17, 30, 46]
        let output = try engine.prefill(
            slots.map { tokens[$0] }, at: slots, over: buffer, keyCount: tokens.count, logits: .all)
        let vocabulary = engine.model.vocabulary
        let picked = slots.flatMap { expected[$0 * vocabulary..<($0 + 1) * vocabulary] }
        #expect(largestDifference(output.logits, picked) < 1e-4)
        #expect(output.slots == slots)
    }

    @Test(arguments: [CPUEngine.Options.Precision.fp32, .automatic])
    func `a token changes no output at lower positions`(precision: CPUEngine.Options.Precision) throws {
        let engine = try GoldenModel.random[0].engine(precision)
        // Rows of a stitched call: the tokens 10 and up are computed scattered over what was there before.
        let slots = [10, 11, 13, 20, 21, 22, 23, 24, 35, 47]
        func outputs(_ changed: Int?) throws -> PrefillOutput {
            let buffer = try engine.buffer(tokens.count)
            try engine.prefill(tokens, at: Array(tokens.indices), over: buffer, logits: .none)
            var rows = slots.map { tokens[$0] }
            if let changed { rows[changed] = (rows[changed] + 100) % TokenID(engine.model.vocabulary) }
            return try engine.prefill(rows, at: slots, over: buffer, keyCount: tokens.count, logits: .all)
        }
        let (plain, changed) = (try outputs(nil).logits, try outputs(4).logits)
        let vocabulary = engine.model.vocabulary
        #expect(plain[..<(4 * vocabulary)] == changed[..<(4 * vocabulary)])
        #expect(plain[(4 * vocabulary)...] != changed[(4 * vocabulary)...])
    }

    @Test func `embeddings are taken like tokens`() throws {
        let file = try GGUFFile(path: GoldenModel.random[0].path)
        let embedding = try #require(file.tensor("token_embd.weight"))
        #expect(embedding.type == .f32)
        let width = engine.model.width
        let table = try file.withBytes(of: embedding) { Array($0.bindMemory(to: Float.self)) }
        let rows = tokens.flatMap { table[Int($0) * width..<(Int($0) + 1) * width] }
        let call = PartialPrefill(
            input: .embeddings(rows), slots: Array(tokens.indices), keyCount: tokens.count, logits: .all)
        let logits = try engine.prefill(call, over: engine.buffer(tokens.count)).logits
        #expect(logits == (try engine.prefill(tokens, logits: .all).logits))
    }

    @Test func `only what is asked for is computed in the last layer`() throws {
        let all = try engine.prefill(tokens, logits: .all)
        #expect(all.computedRows == [48, 48])
        let last = try engine.prefill(tokens, logits: .last)
        #expect(last.computedRows == [48, 1])
        #expect(last.slots == [47])
        #expect(largestDifference(last.logits, Array(all.logits.suffix(engine.model.vocabulary))) < 1e-4)
        let three = try engine.prefill(tokens, logits: .trailing(3))
        #expect(three.computedRows == [48, 3])
        #expect(three.slots == [45, 46, 47])
        #expect(largestDifference(three.logits, Array(all.logits.suffix(3 * engine.model.vocabulary))) < 1e-4)
        let none = try engine.prefill(tokens, logits: .none)
        #expect(none.computedRows == [48, 0])
        #expect(none.slots.isEmpty && none.logits.isEmpty)
    }

    @Test func `calls from many threads wait their turn`() async throws {
        let expected = try engine.prefill(tokens, logits: .last).logits
        try await withThrowingTaskGroup(of: [Float].self) { group in
            for _ in 0..<8 {
                group.addTask { [engine, tokens] in try engine.prefill(tokens, logits: .last).logits }
            }
            for try await logits in group { #expect(logits == expected) }
        }
    }
}
