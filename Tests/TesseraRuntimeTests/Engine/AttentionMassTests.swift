// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

@Suite struct `Attention masses` {
    private let golden = GoldenModel.random[1]  // three layers
    private let recorder = Recorder()
    private var tokens: [TokenID] { golden.prompt }
    private static let segments = [0..<1, 1..<17, 17..<40, 40..<48]

    /// What the probabilities of all query heads say, (row, segment).
    private func summed(_ attention: LayerAttention, _ segments: [Range<Int>], keys: Int, heads: Int) -> [Float] {
        attention.slots.indices.flatMap { row in
            segments.map { segment in
                (0..<heads).reduce(0) { sum, head in
                    let start = (row * heads + head) * keys
                    return sum
                        + attention.probabilities[start..<start + keys][(start + segment.lowerBound)...]
                        .prefix(segment.count).reduce(0, +)
                } / Float(heads)
            }
        }
    }

    @Test(arguments: [GoldenModel.random[1], GoldenModel.random[3], GoldenModel.random[5]])
    func `are the sums of the probabilities`(golden: GoldenModel) throws {
        let engine = try golden.engine(.fp32)
        let rows = [0, 3, 16, 17, 40, 47]
        // Segments may overlap, leave gaps, come in any order and be empty.
        let segments = [17..<40, 0..<1, 5..<5, 10..<30, 47..<48, 0..<48]
        recorder.needs = LayerNeeds(attentionOf: rows, masses: AttentionMassNeeds(rows: rows, segments: segments))
        _ = try engine.prefill(golden.prompt, logits: .last, observer: recorder)
        #expect(recorder.masses.map(\.layer) == Array(0..<engine.model.layout.layers))
        for (masses, attention) in zip(recorder.masses, recorder.attentions) {
            #expect(masses.slots == rows && masses.segments == segments.count)
            let expected = summed(
                attention, segments, keys: golden.prompt.count, heads: engine.model.queryHeads)
            #expect(largestDifference(masses.masses, expected) < 1e-5)
        }
    }

    @Test(arguments: [CPUEngine.Options.Precision.fp32] + (hasBF16 ? [.bf16] : []), [false, true])
    func `over segments that part all keys they sum to 1`(
        precision: CPUEngine.Options.Precision, singleRow: Bool
    ) throws {
        let engine = try golden.engine(precision)
        let buffer = try engine.buffer(tokens.count)
        try engine.prefill(tokens, at: Array(tokens.indices), over: buffer, logits: .none)
        recorder.needs.masses = AttentionMassNeeds(rows: Array(tokens.indices), segments: Self.segments)
        let slots = singleRow ? [30] : Array(tokens.indices)
        try engine.prefill(
            slots.map { tokens[$0] }, at: slots, over: buffer, keyCount: tokens.count, logits: .all, observer: recorder)
        for masses in recorder.masses {
            #expect(masses.slots == slots)
            for (row, slot) in slots.enumerated() {
                let shares = Array(masses.masses[row * 4..<row * 4 + 4])
                #expect(abs(shares.reduce(0, +) - 1) < 1e-5)
                // What begins behind a row is hidden from it.
                #expect(zip(Self.segments, shares).allSatisfy { ($0.lowerBound > slot) == ($1 == 0) })
            }
        }
    }

    @Test func `rows whose masses are wanted go through the last layer`() throws {
        recorder.needs.masses = AttentionMassNeeds(rows: [9, 5], segments: [0..<4])
        let output = try golden.engine(.fp32).prefill(tokens, logits: .none, observer: recorder)
        #expect(output.computedRows == [48, 48, 2])
        #expect(recorder.masses.map(\.slots) == Array(repeating: [5, 9], count: 3))
    }

    @Test func `rows that are not computed, or no longer, are left out`() throws {
        let engine = try golden.engine(.fp32)
        recorder.needs.masses = AttentionMassNeeds(rows: [5, 20, 47, 60], segments: [0..<4, 4..<48])
        recorder.selections = [1: [20, 47], 2: []]
        let output = try engine.prefill(tokens, logits: .none, observer: recorder)
        #expect(output.computedRows == [48, 2, 0])
        #expect(recorder.masses.map(\.slots) == [[5, 20, 47], [20, 47], []])
        #expect(recorder.masses.map(\.masses.count) == [6, 4, 0])
    }

    @Test(arguments: [-1..<3, 40..<49, 50..<50]) func `a segment beyond the keys is refused`(segment: Range<Int>) throws
    {
        recorder.needs.masses = AttentionMassNeeds(rows: [5], segments: [0..<4, segment])
        let engine = try golden.engine(.fp32)
        expectCode(.invalidInput) { try engine.prefill(tokens, logits: .last, observer: recorder) }
    }
}
