// SPDX-License-Identifier: Apache-2.0

import CKernels
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRuntime

@Suite struct `Logits and text of the golden models` {
    @Test func `cover at least six shapes, at every position and over 64 tokens`() {
        #expect(GoldenModel.random.count >= 6)
        #expect(GoldenModel.random.allSatisfy { $0.positions == $0.prompt.count && $0.continuation.count == 64 })
    }

    @Test(arguments: GoldenModel.random)
    func `are the same to rounding however many threads share the work`(golden: GoldenModel) throws {
        let alone = try golden.engine(.fp32, threads: 1).prefill(golden.prompt, logits: .all).logits
        for threads in [2, 3] {
            let shared = try golden.engine(.fp32, threads: threads).prefill(golden.prompt, logits: .all).logits
            #expect(largestDifference(shared, alone) < 1e-4)
        }
    }

    @Test(arguments: GoldenModel.all)
    func `equal transformers' within 0·001 in fp32`(_ golden: GoldenModel) throws {
        let engine = try golden.engine(.fp32)
        #expect(engine.model.vocabulary == golden.vocabulary)
        let expected = try golden.expectedLogits()
        let logits = golden.rows(of: try prefill(golden, on: engine)).suffix(golden.positions)
        #expect(logits.count == golden.positions && expected.count == golden.positions)
        for (position, (row, reference)) in zip(logits, expected).enumerated() {
            #expect(largestDifference(row, reference) <= 1e-3, "at position \(position)")
        }
    }

    /// The relative error of a position is ‖x − r‖ ∕ ‖r‖, Euclidean norms over the vocabulary, r the fp32 reference.
    @Test(.enabled(if: ck_isa_active() == CK_ISA_AVX512_BF16), arguments: GoldenModel.all)
    func `are within 3 % of transformers' fp32 in BF16`(_ golden: GoldenModel) throws {
        let logits = golden.rows(of: try prefill(golden, on: golden.engine(.bf16))).suffix(golden.positions)
        let expected = try golden.expectedLogits()
        #expect(logits.count == golden.positions && expected.count == golden.positions)
        for (position, (row, reference)) in zip(logits, expected).enumerated() {
            let error = zip(row, reference).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
            let norm = reference.reduce(0.0) { $0 + Double($1) * Double($1) }
            #expect((error / norm).squareRoot() <= 3e-2, "at position \(position)")
        }
    }

    @Test(arguments: GoldenModel.all)
    func `give the same greedy text in fp32`(_ golden: GoldenModel) throws {
        let engine = try golden.engine(.fp32)
        let buffer = try golden.buffer(for: engine)
        var input = golden.prompt
        var text: [TokenID] = []
        while text.count < golden.continuation.count {
            let start = text.isEmpty ? 0 : golden.prompt.count + text.count - 1
            let slots = Array(start..<start + input.count)
            let call = PartialPrefill(input: .tokens(input), slots: slots, keyCount: start + input.count, logits: .last)
            let logits = try engine.prefill(call, over: buffer).logits
            let best = try #require(logits.indices.max { logits[$0] < logits[$1] })
            input = [TokenID(best)]
            text += input
        }
        #expect(text == golden.continuation)
    }

    private func prefill(_ golden: GoldenModel, on engine: CPUEngine) throws -> [Float] {
        let call = PartialPrefill(
            input: .tokens(golden.prompt), slots: Array(golden.prompt.indices), keyCount: golden.prompt.count,
            logits: .all)
        return try engine.prefill(call, over: golden.buffer(for: engine)).logits
    }
}
