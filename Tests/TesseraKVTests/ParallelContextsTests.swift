// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import Testing

@Suite struct `Parallel contexts as a value` {
    @Test func `are ordinary without slots or with factors of 1`() {
        #expect(ParallelContexts(slots: 3..<3, temperature: 0.5, scale: 0.5).isOrdinary)
        #expect(ParallelContexts(slots: 3..<9, temperature: 1, scale: 1).isOrdinary)
        #expect(!ParallelContexts(slots: 3..<9, temperature: 0.9, scale: 1).isOrdinary)
        #expect(!ParallelContexts(slots: 3..<9, temperature: 1, scale: 0.9).isOrdinary)
        // S · T = 1 still sharpens.
        #expect(!ParallelContexts(slots: 3..<9, temperature: 0.5, scale: 2).isOrdinary)
    }

    @Test func `a call has none unless it is told`() {
        #expect(PartialPrefill(input: .tokens([1]), slots: [0], keyCount: 1, logits: .last).parallel == nil)
    }
}
