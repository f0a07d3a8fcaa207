// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

@Suite struct `CPU engine against transformers` {
    @Test(arguments: Golden.all)
    func `logits in fp32 are transformers'`(golden: Golden) throws {
        let engine = try golden.engine(.fp32)
        let output = try engine.prefill(golden.prompt, logits: .all)
        #expect(largestDifference(output.logits, try golden.expectedLogits()) < 1e-3)
    }

    @Test(.enabled(if: hasBF16), arguments: Golden.all)
    func `logits in BF16 are within three percent`(golden: Golden) throws {
        let engine = try golden.engine(.bf16)
        let expected = try golden.expectedLogits()
        let logits = try engine.prefill(golden.prompt, logits: .all).logits
        for row in stride(from: 0, to: expected.count, by: golden.vocabulary) {
            let range = row..<row + golden.vocabulary
            #expect(relativeDifference(logits[range], expected[range]) < 3e-2)
        }
    }

    @Test(arguments: Golden.all)
    func `greedy text in fp32 is transformers'`(golden: Golden) throws {
        let engine = try golden.engine(.fp32)
        let text = try engine.greedyText(after: golden.prompt, count: golden.continuation.count)
        #expect(text == golden.continuation)
    }
}
