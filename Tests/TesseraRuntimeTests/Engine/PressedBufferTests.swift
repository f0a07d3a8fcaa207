// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

@Suite struct `A pressed buffer` {
    private let golden = GoldenModel.random[1]  // three layers
    private let engine: CPUEngine
    private var tokens: [TokenID] { Array(golden.prompt.prefix(20)) }
    private let answer: [TokenID] = [7, 3, 11]

    init() throws {
        engine = try golden.engine(.fp32)
    }

    private func kept(_ sets: [[Int]]) throws -> KeptTokens {
        try KeptTokens(tokens: tokens.count, layers: sets.map { [$0] })
    }

    private func prefilled(room: Int) throws -> KVBuffer {
        let buffer = try engine.buffer(tokens.count + room)
        try engine.prefill(tokens, at: Array(tokens.indices), over: buffer, logits: .none)
        return buffer
    }

    /// The logits of the answer's tokens, computed together.
    private func logits(over buffer: KVBuffer) throws -> [Float] {
        let slots = answer.indices.map { tokens.count + $0 }
        return try engine.prefill(answer, at: slots, over: buffer, logits: .all).logits
    }

    @Test func `that keeps all tokens answers as the whole one`() throws {
        let whole = try prefilled(room: 3)
        let all = Array(tokens.indices)
        let pressed = try KVBuffer(keeping: kept([all, all, all]), of: whole, room: 3)
        #expect(try largestDifference(logits(over: pressed), logits(over: whole)) == 0)
    }

    @Test func `answers as if what goes could not be seen, in each layer other tokens`() throws {
        let sets = [[0, 3, 4, 17, 19], Array(0..<12), [19]]
        let whole = try prefilled(room: 3)
        let pressed = try KVBuffer(keeping: kept(sets), of: whole, room: 3)
        let before = try logits(over: pressed)
        #expect(try largestDifference(before, logits(over: whole)) > 1e-3)

        let seen = SeenTokens(tokens: tokens.count)
        let rows = answer.indices.map { tokens.count + $0 }
        _ = try engine.prefill(answer, at: rows, over: prefilled(room: 3), logits: .none, observer: seen)
        // The first layer's input is the same both ways, so its attention must be.
        let watch = Recorder()
        watch.needs = LayerNeeds(attentionOf: rows)
        _ = try engine.prefill(
            answer, at: rows, over: KVBuffer(keeping: kept(sets), of: whole, room: 3), logits: .none, observer: watch)
        let keys = sets[0].count + answer.count
        let heads = engine.model.queryHeads
        for row in answer.indices {
            for head in 0..<heads {
                let start = (row * heads + head) * keys
                let mine = watch.attentions[0].probabilities[start..<start + keys]
                let full = seen.probabilities[row * heads + head]
                let visible = sets[0] + rows
                let sum = visible.reduce(Float(0)) { $0 + full[$1] }
                for (probability, slot) in zip(mine, visible) { #expect(abs(probability - full[slot] / sum) < 1e-5) }
            }
        }
    }

    @Test func `decodes as it prefills, alone and among other answers`() throws {
        let sets = [[0, 3, 4, 17, 19], Array(0..<12), [5, 19]]
        let whole = try prefilled(room: 4)
        let expected = try logits(over: KVBuffer(keeping: kept(sets), of: whole, room: 4))
        let pressed = try KVBuffer(keeping: kept(sets), of: whole, room: 4)
        let vocabulary = engine.model.vocabulary
        for (index, token) in answer.enumerated() {
            let slot = tokens.count + index
            let steps = [
                DecodeStep(token: token, slot: slot, buffer: pressed),
                DecodeStep(token: token, slot: slot, buffer: whole),
            ]
            let rows = try engine.decode(steps)
            let wanted = expected[index * vocabulary..<(index + 1) * vocabulary]
            #expect(largestDifference(Array(rows.prefix(vocabulary)), Array(wanted)) < 1e-4)
        }
    }

    @Test func `of one set for each KV head answers as that of a shared set where they are equal`() throws {
        let whole = try prefilled(room: 3)
        let set = [1, 4, 9, 18, 19]
        let heads = engine.model.layout.heads
        let shared = try KVBuffer(keeping: kept([set, set, set]), of: whole, room: 3)
        let own = try KVBuffer(
            keeping: KeptTokens(
                tokens: tokens.count, layers: Array(repeating: Array(repeating: set, count: heads), count: 3)),
            of: whole, room: 3)
        #expect(try largestDifference(logits(over: own), logits(over: shared)) == 0)
    }

    @Test func `takes the bytes of what stays`() throws {
        let whole = try prefilled(room: 2)
        let pressed = try KVBuffer(keeping: kept([[0], [0, 1], [0, 1, 2]]), of: whole, room: 2)
        #expect(pressed.byteCount == (1 + 2 + 3 + 3 * 2) * 2 * whole.layout.width * 4)
        #expect(pressed.capacity == tokens.count + 2 && pressed.pressed == tokens.count)
    }

    @Test func `lets no pressed token be computed anew`() throws {
        let whole = try prefilled(room: 2)
        let pressed = try KVBuffer(keeping: kept([[0], [0], [0]]), of: whole, room: 2)
        #expect(throws: TesseraError.self) {
            try engine.prefill([3], at: [4], over: pressed, keyCount: 21, logits: .last)
        }
        let recorder = Recorder()
        recorder.needs = LayerNeeds(masses: AttentionMassNeeds(rows: [20], segments: [0..<3]))
        #expect(throws: TesseraError.self) {
            try engine.prefill([3], at: [20], over: pressed, logits: .last, observer: recorder)
        }
    }
}

/// The attention of all rows over the whole buffer in layer 0, (row and query head, key).
private final class SeenTokens: LayerObserver {
    private(set) var probabilities: [[Float]] = []
    private let tokens: Int

    init(tokens: Int) { self.tokens = tokens }

    func needs(of layer: Int) -> LayerNeeds {
        LayerNeeds(attentionOf: layer == 0 ? Array(tokens..<tokens + 3) : [])
    }

    func layerAttended(_ attention: LayerAttention) {
        let keys = tokens + 3
        probabilities = stride(from: 0, to: attention.probabilities.count, by: keys).map {
            Array(attention.probabilities[$0..<$0 + keys])
        }
    }
}

@Suite struct `What observers of attention see beside probabilities` {
    private let golden = GoldenModel.random[1]
    private let engine: CPUEngine
    private let recorder = Recorder()
    private var tokens: [TokenID] { golden.prompt }

    init() throws {
        engine = try golden.engine(.fp32)
    }

    @Test func `is the sum and the highest of what each key receives`() throws {
        let rows = Array(stride(from: 1, to: tokens.count, by: 2))
        recorder.needs = LayerNeeds(attentionOf: rows, receivedFrom: rows)
        _ = try engine.prefill(tokens, logits: .last, observer: recorder)
        let width = engine.model.queryHeads * tokens.count
        for (attention, received) in zip(recorder.attentions, recorder.received) {
            #expect(received.slots == rows)
            for index in 0..<width {
                let all = rows.indices.map { attention.probabilities[$0 * width + index] }
                #expect(abs(received.sums[index] - all.reduce(0, +)) < 1e-5)
                #expect(abs(received.peaks[index] - (all.max() ?? 0)) < 1e-6)
            }
        }
    }

    @Test func `is what the block gives over a part of the keys`() throws {
        let rows = [tokens.count - 2, tokens.count - 1]
        recorder.needs = LayerNeeds(ablation: AblationNeeds(rows: rows, kept: Array(tokens.indices)))
        _ = try engine.prefill(tokens, logits: .last, observer: recorder)
        let whole = recorder.ablations
        #expect(whole.count == engine.model.layout.layers)
        for layer in whole {
            #expect(layer.slots == rows && layer.full.count == rows.count * engine.model.width)
            #expect(layer.full == layer.ablated)
        }
        let other = Recorder()
        other.needs = LayerNeeds(ablation: AblationNeeds(rows: rows, kept: [0] + rows))
        _ = try engine.prefill(tokens, logits: .last, observer: other)
        for (layer, reference) in zip(other.ablations, whole) {
            #expect(largestDifference(layer.full, reference.full) < 1e-5)
            #expect(relativeDifference(layer.ablated, layer.full) > 1e-2)
        }
    }

    @Test func `is refused for keys that are not there`() throws {
        recorder.needs = LayerNeeds(ablation: AblationNeeds(rows: [1], kept: [tokens.count]))
        #expect(throws: TesseraError.self) { try engine.prefill(tokens, logits: .last, observer: recorder) }
    }
}

@Suite struct `Embeddings among tokens` {
    private let engine: CPUEngine
    private let golden = GoldenModel.random[1]

    init() throws {
        engine = try golden.engine(.fp32)
    }

    @Test func `take the place of the ids that stand there`() throws {
        let tokens = Array(golden.prompt.prefix(12))
        let embeddings = Recorder()
        let width = engine.model.width
        let rows = (0..<4 * width).map { Float($0 % 13) / 7 - 0.8 }
        let mixed = PartialPrefill(
            input: .mixed(tokens, [.init(5..<9, rows)]), slots: Array(0..<12), keyCount: 12, logits: .all)
        let before = try engine.prefill(tokens, logits: .all).logits
        let after = try engine.prefill(mixed, over: engine.buffer(12), observer: embeddings).logits
        let vocabulary = engine.model.vocabulary
        #expect(largestDifference(Array(after[..<(5 * vocabulary)]), Array(before[..<(5 * vocabulary)])) < 1e-4)
        #expect(largestDifference(Array(after[(5 * vocabulary)...]), Array(before[(5 * vocabulary)...])) > 1e-2)

        // The ids under them are of no account.
        var others = tokens
        for row in 5..<9 { others[row] = 0 }
        let same = PartialPrefill(
            input: .mixed(others, [.init(5..<9, rows)]), slots: Array(0..<12), keyCount: 12, logits: .all)
        #expect(try engine.prefill(same, over: engine.buffer(12), observer: nil).logits == after)
    }

    @Test func `are refused where they don't fit`() throws {
        let tokens = Array(golden.prompt.prefix(4))
        for run in [
            PartialPrefill.EmbeddedRows(2..<5, Array(repeating: 0, count: 3 * engine.model.width)), .init(0..<2, [1]),
        ] {
            let call = PartialPrefill(
                input: .mixed(tokens, [run]), slots: Array(0..<4), keyCount: 4, logits: .last)
            #expect(throws: TesseraError.self) { try engine.prefill(call, over: engine.buffer(4), observer: nil) }
        }
    }

    @Test func `screenshots are refused by a model of text`() throws {
        let frame = try Frame(width: 2, height: 1, pixels: [0, 0, 0, 255, 255, 255])
        let error = #expect(throws: TesseraError.self) { try engine.embeddings(of: frame) }
        #expect(error?.code == .unsupported)
        #expect(throws: TesseraError.self) { try Frame(width: 2, height: 2, pixels: [1, 2, 3]) }
    }
}
