// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

@Suite struct `What a selection sees` {
    private let golden = GoldenModel.random[1]  // three layers
    private let engine: CPUEngine
    private let recorder = Recorder()
    private var tokens: [TokenID] { golden.prompt }

    init() throws {
        engine = try golden.engine(.fp32)
    }

    /// A buffer full of the KV of another prompt.
    private func stale() throws -> KVBuffer {
        let buffer = try engine.buffer(tokens.count)
        let others = tokens.map { ($0 * 3 + 7) % TokenID(engine.model.vocabulary) }
        try engine.prefill(others, at: Array(tokens.indices), over: buffer, logits: .none)
        return buffer
    }

    @Test func `fresh keys and values lie in the buffer, and the displaced ones are shown`() throws {
        let buffer = try stale()
        let slots = [4, 5, 20, 33, 47]
        let before = (0..<3).map { layer in slots.map { buffer.rows($0..<$0 + 1, of: layer) } }
        recorder.needs = LayerNeeds(keysAndValues: true, displaced: true)
        // Expectations wait until the call is over: the engine's thread belongs to no test.
        var now: [[(keys: [Float], values: [Float])]] = []
        recorder.onSelect = { projection in
            now.append(slots.map { buffer.rows($0..<$0 + 1, of: projection.layer) })
        }
        try engine.prefill(
            slots.map { tokens[$0] }, at: slots, over: buffer, keyCount: tokens.count, logits: .last,
            observer: recorder)
        #expect(recorder.projections.count == 3)
        for (layer, projection) in recorder.projections.enumerated() {
            #expect(projection.placedKeys == now[layer].flatMap(\.keys))
            #expect(projection.values == now[layer].flatMap(\.values))
            #expect(projection.displacedKeys == before[layer].flatMap(\.keys))
            #expect(projection.displacedValues == before[layer].flatMap(\.values))
            #expect(projection.displacedKeys != projection.placedKeys)
        }
    }

    @Test func `recomputed over its own KV, nothing is displaced by anything else`() throws {
        let buffer = try engine.buffer(tokens.count)
        try engine.prefill(tokens, at: Array(tokens.indices), over: buffer, logits: .none)
        recorder.needs = LayerNeeds(keysAndValues: true, displaced: true)
        try engine.prefill(tokens, at: Array(tokens.indices), over: buffer, logits: .none, observer: recorder)
        for projection in recorder.projections {
            #expect(largestDifference(projection.displacedKeys, projection.placedKeys) < 1e-5)
            #expect(largestDifference(projection.displacedValues, projection.values) < 1e-5)
        }
    }

    @Test func `attention at the selection is that of the layer, over fresh and cached keys`() throws {
        let buffer = try stale()
        let slots = [4, 5, 20, 33, 47]
        recorder.needs = LayerNeeds(attentionAtSelection: [47, 20, 6], attentionOf: [20, 47])
        try engine.prefill(
            slots.map { tokens[$0] }, at: slots, over: buffer, keyCount: tokens.count, logits: .all,
            observer: recorder)
        #expect(recorder.attentions.count == 3)
        for (projection, attention) in zip(recorder.projections, recorder.attentions) {
            let seen = try #require(projection.attention)
            #expect(seen.layer == projection.layer && seen.slots == [20, 47])
            #expect(seen.probabilities.count == 2 * engine.model.queryHeads * tokens.count)
            #expect(largestDifference(seen.probabilities, attention.probabilities) < 1e-5)
        }
    }

    @Test func `a narrowing selection changes nothing of the attention it was made by`() throws {
        recorder.needs = LayerNeeds(queries: true, attentionAtSelection: Array(40..<48))
        recorder.selections = [1: [3, 45, 47]]
        _ = try engine.prefill(tokens, logits: .last, observer: recorder)
        let whole = Recorder()
        whole.needs = LayerNeeds(attentionOf: Array(40..<48))
        _ = try engine.prefill(tokens, logits: .last, observer: whole)
        #expect(recorder.projections.map { $0.attention?.slots ?? [] } == [Array(40..<48), Array(40..<48), [45, 47]])
        for layer in 0...1 {
            let seen = recorder.projections[layer].attention?.probabilities ?? []
            #expect(largestDifference(seen, whole.attentions[layer].probabilities) < 1e-5)
        }
    }

    @Test func `more rows than a tile are seen like few`() throws {
        let long = (0..<600).map { tokens[$0 * 7 % tokens.count] }
        let rows = Array(stride(from: 0, to: 600, by: 2))
        recorder.needs = LayerNeeds(attentionAtSelection: rows, attentionOf: rows)
        _ = try engine.prefill(long, logits: .none, observer: recorder)
        for (projection, attention) in zip(recorder.projections, recorder.attentions) {
            #expect(projection.attention?.slots == rows && attention.slots == rows)
            #expect(largestDifference(projection.attention?.probabilities ?? [], attention.probabilities) < 1e-5)
        }
    }
}
