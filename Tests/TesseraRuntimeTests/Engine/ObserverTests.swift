// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

@Suite struct `Layer observer` {
    private let golden = GoldenModel.random[1]  // three layers
    private let engine: CPUEngine
    private let recorder = Recorder()
    private var tokens: [TokenID] { golden.prompt }

    init() throws {
        engine = try golden.engine(.fp32)
    }

    @Test func `is called in order, layer by layer`() throws {
        recorder.needs = LayerNeeds(
            attentionOf: [5], receivedFrom: [5], ablation: AblationNeeds(rows: [5], kept: [0, 5]),
            masses: AttentionMassNeeds(rows: [5], segments: [0..<3]))
        _ = try engine.prefill(tokens, logits: .last, observer: recorder)
        #expect(
            recorder.events
                == (0..<3).flatMap { layer in
                    ["needs", "begins", "select", "attended", "received", "ablated", "weighed"].map { "\($0) \(layer)" }
                })
    }

    @Test func `sees nothing that it did not ask for`() throws {
        _ = try engine.prefill(tokens, logits: .last, observer: recorder)
        for projection in recorder.projections {
            #expect(projection.slots == Array(tokens.indices))
            #expect(projection.keys.isEmpty && projection.values.isEmpty && projection.queries.isEmpty)
            #expect(projection.residualNorms.isEmpty && projection.placedKeys.isEmpty)
            #expect(projection.displacedKeys.isEmpty && projection.displacedValues.isEmpty)
            #expect(projection.attention == nil)
        }
        #expect(recorder.attentions.isEmpty && recorder.masses.isEmpty)
        #expect(recorder.received.isEmpty && recorder.ablations.isEmpty)
    }

    @Test func `sees fresh keys before RoPE, and values as they reach the buffer`() throws {
        recorder.needs = LayerNeeds(keysAndValues: true, queries: true, residualNorms: true)
        let buffer = try engine.buffer(tokens.count)
        try engine.prefill(tokens, at: Array(tokens.indices), over: buffer, logits: .all, observer: recorder)
        let layout = engine.model.layout
        let angles = engine.model.rotary.angles(at: Array(0..<Int32(tokens.count)))
        for projection in recorder.projections {
            let (keys, values) = buffer.rows(tokens.indices, of: projection.layer)
            #expect(projection.values == values)
            #expect(projection.queries.count == tokens.count * engine.model.queryHeads * layout.headDimension)
            #expect(projection.residualNorms.count == tokens.count && projection.residualNorms.allSatisfy { $0 > 0 })
            var rotated = projection.keys
            for token in tokens.indices {
                for head in 0..<layout.heads {
                    for pair in 0..<angles.pairs {
                        let even = token * layout.width + head * layout.headDimension + 2 * pair
                        let (x, y) = (projection.keys[even], projection.keys[even + 1])
                        let (c, s) = (
                            angles.cosines[token * angles.pairs + pair], angles.sines[token * angles.pairs + pair]
                        )
                        (rotated[even], rotated[even + 1]) = (x * c - y * s, x * s + y * c)
                    }
                }
            }
            #expect(largestDifference(rotated, keys) < 1e-5)
        }
    }

    @Test func `the residual norms of the first layer are those of the embeddings`() throws {
        recorder.needs = LayerNeeds(residualNorms: true)
        let rows = (0..<tokens.count * engine.model.width).map { Float($0 % 17) - 8 }
        let call = PartialPrefill(
            input: .embeddings(rows), slots: Array(tokens.indices), keyCount: tokens.count, logits: .none)
        _ = try engine.prefill(call, over: engine.buffer(tokens.count), observer: recorder)
        let expected = tokens.indices.map { token in
            rows[token * engine.model.width..<(token + 1) * engine.model.width].reduce(0) { $0 + $1 * $1 }.squareRoot()
        }
        #expect(zip(recorder.projections[0].residualNorms, expected).allSatisfy { abs($0 - $1) < 1e-4 * $1 })
    }

    @Test func `attention probabilities are those of the rotated queries and keys`() throws {
        recorder.needs = LayerNeeds(queries: true, attentionOf: [3, 40])
        let buffer = try engine.buffer(tokens.count)
        try engine.prefill(tokens, at: Array(tokens.indices), over: buffer, logits: .all, observer: recorder)
        #expect(recorder.attentions.map(\.layer) == [0, 1, 2])
        for attention in recorder.attentions {
            #expect(attention.slots == [3, 40])
            let rows = stride(from: 0, to: attention.probabilities.count, by: tokens.count).map {
                Array(attention.probabilities[$0..<$0 + tokens.count])
            }
            #expect(rows.count == 2 * engine.model.queryHeads)
            for (index, row) in rows.enumerated() {
                let slot = index < engine.model.queryHeads ? 3 : 40
                #expect(abs(row.reduce(0, +) - 1) < 1e-5)
                #expect(row[...slot].allSatisfy { $0 > 0 } && row[(slot + 1)...].allSatisfy { $0 == 0 })
            }
        }
    }

    @Test func `watching changes no logit`() throws {
        let plain = try engine.prefill(tokens, logits: .all).logits
        recorder.needs = LayerNeeds(
            keysAndValues: true, queries: true, residualNorms: true, displaced: true, attentionAtSelection: [3, 47],
            attentionOf: [0, 9, 47],
            masses: AttentionMassNeeds(rows: Array(tokens.indices), segments: [0..<10, 10..<48]))
        #expect(try engine.prefill(tokens, logits: .all, observer: recorder).logits == plain)
    }

    @Test func `narrows rows for good, and the KV of dropped rows is fresh up to there`() throws {
        let whole = try engine.buffer(tokens.count)
        try engine.prefill(tokens, at: Array(tokens.indices), over: whole, logits: .none)
        // The same prompt behind other first tokens: all KV is stale.
        let buffer = try engine.buffer(tokens.count)
        let stale = [tokens[7], tokens[2]] + tokens[2...]
        try engine.prefill(stale, at: Array(tokens.indices), over: buffer, logits: .none)
        let before = buffer.rows(tokens.indices, of: 2)

        recorder.selections = [1: [0, 1, 2, 10, 20, 47], 2: [1, 20, 47]]
        let output = try engine.prefill(
            tokens, at: Array(tokens.indices), over: buffer, logits: .all, observer: recorder)
        #expect(output.computedRows == [48, 6, 3])
        #expect(output.slots == [1, 20, 47])
        #expect(output.logits.count == 3 * golden.vocabulary)
        #expect(recorder.projections.map(\.slots.count) == [48, 48, 6])
        for layer in 0...1 {
            #expect(largestDifference(buffer.rows(0..<48, of: layer).keys, whole.rows(0..<48, of: layer).keys) < 1e-5)
        }
        let (after, width) = (buffer.rows(tokens.indices, of: 2), engine.model.layout.width)
        let changed = tokens.indices.filter { slot in
            let range = slot * width..<(slot + 1) * width
            return before.values[range] != after.values[range]
        }
        #expect(Set(changed).isSubset(of: [0, 1, 2, 10, 20, 47]) && changed.contains(0))
    }

    @Test func `dropping rows equals never computing them further`() throws {
        // All rows of the kept set see true KV in every layer, so their logits are exact.
        let buffer = try engine.buffer(tokens.count)
        let exact = try engine.prefill(tokens, at: Array(tokens.indices), over: buffer, logits: .all).logits
        recorder.selections = [1: [5, 47]]
        let output = try engine.prefill(
            tokens, at: Array(tokens.indices), over: buffer, logits: .all, observer: recorder)
        let vocabulary = golden.vocabulary
        let expected = [5, 47].flatMap { exact[$0 * vocabulary..<($0 + 1) * vocabulary] }
        #expect(largestDifference(output.logits, expected) < 1e-4)
    }

    @Test func `rows whose attention is wanted go through the last layer`() throws {
        recorder.needs.attentionOf = [5, 9]
        let output = try engine.prefill(tokens, logits: .last, observer: recorder)
        #expect(output.computedRows == [48, 48, 3])
        #expect(output.slots == [5, 9, 47])
        #expect(output.logits.count == golden.vocabulary)
    }

    @Test func `an empty selection ends the computation but not the loading`() throws {
        recorder.selections = [1: []]
        let output = try engine.prefill(tokens, logits: .all, observer: recorder)
        #expect(output.computedRows == [48, 0, 0])
        #expect(output.logits.isEmpty && output.slots.isEmpty)
        #expect(recorder.events.contains("begins 2"))
    }

    @Test(arguments: [[47, 5], [5, 5, 47], [100], [-1, 47]])
    func `a selection that is no ascending part of the rows is refused`(selection: [Int]) throws {
        recorder.selections = [1: selection]
        expectCode(.invalidInput) { try engine.prefill(tokens, logits: .all, observer: recorder) }
    }

    @Test func `a selection without the row whose logits are wanted is refused`() throws {
        recorder.selections = [1: [5, 6]]
        expectCode(.invalidInput) { try engine.prefill(tokens, logits: .last, observer: recorder) }
        recorder.selections = [1: [5, 45, 47]]
        expectCode(.invalidInput) { try engine.prefill(tokens, logits: .trailing(2), observer: recorder) }
    }

    @Test func `what it throws ends the call and reaches the caller`() throws {
        recorder.failure = TesseraError(.cancelled, "enough")
        let error = #expect(throws: TesseraError.self) {
            try engine.prefill(tokens, logits: .last, observer: recorder)
        }
        #expect(error == TesseraError(.cancelled, "enough"))
        #expect(!recorder.events.contains("select 1"))
        // The engine is as good as before.
        #expect(try engine.prefill(tokens, logits: .last).logits.count == golden.vocabulary)
    }
}

/// Expects a ``TesseraError`` of this code.
func expectCode<R>(_ code: TesseraError.Code, _ body: () throws -> R) {
    let error = #expect(throws: TesseraError.self) { try body() }
    #expect(error?.code == code)
}
