// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

@Suite struct `Parallel contexts` {
    private let golden = GoldenModel.random[1]  // three layers
    private let engine: CPUEngine
    private var prefix: [TokenID] { Array(golden.prompt[..<10]) }
    private var contexts: [[TokenID]] {
        [Array(golden.prompt[10..<20]), Array(golden.prompt[20..<33]), Array(golden.prompt[33..<40])]
    }
    private var question: [TokenID] { Array(golden.prompt[40...]) }

    init() throws {
        engine = try golden.engine(.fp32)
    }

    /// A buffer that holds the prefix and contexts encoded side by side behind it, with the position of what follows.
    private func assembled(_ contexts: [[TokenID]]) throws -> (buffer: KVBuffer, block: Range<Int>, position: Int32) {
        let end = prefix.count + contexts.map(\.count).reduce(0, +)
        let buffer = try engine.buffer(end + 20)
        try engine.prefill(prefix, at: Array(prefix.indices), over: buffer, logits: .none)
        var start = prefix.count
        for context in contexts {
            // Each is computed where the prefix is all that it sees, and copied to its place.
            let alone = try engine.buffer(prefix.count + context.count)
            try engine.prefill(prefix, at: Array(prefix.indices), over: alone, logits: .none)
            let slots = prefix.count..<alone.capacity
            try engine.prefill(context, at: Array(slots), over: alone, logits: .none)
            for layer in 0..<alone.layout.layers {
                let (keys, values) = alone.rows(slots, of: layer)
                let place = start * alone.layout.width
                _ = buffer.keys(of: layer)[place...].update(from: keys)
                _ = buffer.values(of: layer)[place...].update(from: values)
            }
            buffer.setPositions(slots.map { Int32($0) }, from: start)
            start += context.count
        }
        let position = Int32(prefix.count + (contexts.map(\.count).max() ?? 0))
        buffer.setPositions((0..<20).map { position + $0 }, from: end)
        return (buffer, prefix.count..<end, position)
    }

    /// The logits of rows behind the contexts.
    private func logits(
        _ tokens: [TokenID], from slot: Int, over buffer: KVBuffer, _ parallel: ParallelContexts?,
        observer: (any LayerObserver)? = nil
    ) throws -> [Float] {
        try engine.prefill(
            PartialPrefill(
                input: .tokens(tokens), slots: Array(slot..<slot + tokens.count), keyCount: slot + tokens.count,
                logits: .all, parallel: parallel), over: buffer, observer: observer
        ).logits
    }

    @Test func `factors of 1 are ordinary attention, and merged attention equals it`() throws {
        let (buffer, block, _) = try assembled(contexts)
        let plain = try logits(question, from: block.upperBound, over: buffer, nil)
        let one = ParallelContexts(slots: block, temperature: 1, scale: 1)
        #expect(try logits(question, from: block.upperBound, over: buffer, one) == plain)
        // The next number above 1 takes the merged path.
        let merged = ParallelContexts(slots: block, temperature: 1, scale: Float(1).nextUp)
        #expect(!merged.isOrdinary)
        let whole = try logits(question, from: block.upperBound, over: buffer, merged)
        #expect(largestDifference(whole, plain) < 1e-4)
        for token in 0..<3 {
            let slot = block.upperBound + token
            let expected = try logits([question[token]], from: slot, over: buffer, nil)
            let single = try logits([question[token]], from: slot, over: buffer, merged)
            #expect(largestDifference(single, expected) < 1e-4)
        }
    }

    @Test func `an empty block is ordinary attention`() throws {
        let plain = try engine.prefill(golden.prompt, logits: .last).logits
        let call = PartialPrefill(
            input: .tokens(golden.prompt), slots: Array(golden.prompt.indices), keyCount: golden.prompt.count,
            logits: .last, parallel: ParallelContexts(slots: 70..<70, temperature: 0.5, scale: 0.5))
        #expect(try engine.prefill(call, over: engine.buffer(golden.prompt.count)).logits == plain)
    }

    @Test func `one context behind the prefix, with factors of 1, is the ordinary causal prompt`() throws {
        let context = contexts[0] + contexts[1] + contexts[2]
        let (buffer, block, position) = try assembled([context])
        #expect(position == Int32(block.upperBound))
        for scale in [1, Float(1).nextUp] {
            let parallel = ParallelContexts(slots: block, temperature: 1, scale: scale)
            let logits = try logits(question, from: block.upperBound, over: buffer, parallel)
            let expected = try engine.prefill(golden.prompt, logits: .trailing(question.count)).logits
            #expect(largestDifference(logits, expected) < 1e-4)
        }
    }

    @Test(arguments: [(0.8, 0.9), (0.9, 0.9), (0.3, 1), (1.5, 0.6)] as [(Float, Float)])
    func `the order of contexts changes nothing but rounding`(temperature: Float, scale: Float) throws {
        var outputs: [[Float]] = []
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            let (buffer, block, _) = try assembled(order.map { contexts[$0] })
            let parallel = ParallelContexts(slots: block, temperature: temperature, scale: scale)
            let prefill = try logits(question, from: block.upperBound, over: buffer, parallel)
            let decoded = try logits([question[0]], from: block.upperBound + question.count, over: buffer, parallel)
            outputs.append(prefill + decoded)
        }
        #expect(largestDifference(outputs[1], outputs[0]) < 1e-4)
        #expect(largestDifference(outputs[2], outputs[0]) < 1e-4)
        let (buffer, block, _) = try assembled(contexts)
        let plain = try logits(question, from: block.upperBound, over: buffer, nil)
        #expect(largestDifference(plain, Array(outputs[0].prefix(plain.count))) > 1e-2)
    }

    @Test func `with S = 1 / T it is ordinary attention over keys divided by T`() throws {
        let (buffer, block, _) = try assembled(contexts)
        let parallel = ParallelContexts(slots: block, temperature: 0.8, scale: 1.25)
        let logits = try logits(question, from: block.upperBound, over: buffer, parallel)
        let width = buffer.layout.width
        for layer in 0..<buffer.layout.layers {
            for index in block.lowerBound * width..<block.upperBound * width { buffer.keys(of: layer)[index] /= 0.8 }
        }
        let expected = try self.logits(question, from: block.upperBound, over: buffer, nil)
        #expect(largestDifference(logits, expected) < 1e-4)
    }

    @Test func `token by token gives what the whole question gives`() throws {
        let (buffer, block, _) = try assembled(contexts)
        let parallel = ParallelContexts(slots: block, temperature: 0.8, scale: 0.9)
        let whole = try logits(question, from: block.upperBound, over: buffer, parallel)
        let stepped = try question.indices.flatMap { token in
            try logits([question[token]], from: block.upperBound + token, over: buffer, parallel)
        }
        #expect(largestDifference(stepped, whole) < 1e-4)
    }

    @Test func `rows in front of the contexts do not feel them`() throws {
        let (buffer, block, _) = try assembled(contexts)
        let slots = Array(prefix.indices) + Array(block.upperBound..<block.upperBound + question.count)
        let output = try engine.prefill(
            PartialPrefill(
                input: .tokens(prefix + question), slots: slots, keyCount: block.upperBound + question.count,
                logits: .all, parallel: ParallelContexts(slots: block, temperature: 0.8, scale: 0.9)), over: buffer)
        let expected = try engine.prefill(prefix, logits: .all).logits
        #expect(largestDifference(Array(output.logits.prefix(expected.count)), expected) < 1e-4)
        #expect(output.logits.allSatisfy { $0.isFinite })
    }

    @Test(arguments: [1e-6, 1e6] as [Float], [1e-6, 1e6] as [Float])
    func `the extremes of both factors give numbers`(temperature: Float, scale: Float) throws {
        let (buffer, block, _) = try assembled(contexts)
        let parallel = ParallelContexts(slots: block, temperature: temperature, scale: scale)
        for rows in [question, [question[0]]] {
            let logits = try logits(rows, from: block.upperBound, over: buffer, parallel)
            #expect(logits.allSatisfy { $0.isFinite })
        }
    }

    @Test(
        arguments: [
            (.nan, 1), (1, .nan), (0, 1), (1, 0), (-1, 1), (1, -0.5), (.infinity, 1), (1, .infinity), (1e-9, 1),
        ]
            as [(Float, Float)])
    func `factors that are no positive numbers are refused`(temperature: Float, scale: Float) throws {
        let parallel = ParallelContexts(slots: 2..<4, temperature: temperature, scale: scale)
        expectCode(.invalidInput) { try logits([1], from: 5, over: engine.buffer(8), parallel) }
        // Also where there is nothing to apply them to.
        let empty = ParallelContexts(slots: 2..<2, temperature: temperature, scale: scale)
        expectCode(.invalidInput) { try logits([1], from: 5, over: engine.buffer(8), empty) }
    }

    @Test(arguments: [-1..<2, 3..<7, 5..<8, 0..<9, 5..<6])
    func `contexts beyond the keys, or under a row, are refused`(slots: Range<Int>) throws {
        for factor in [0.9, 1] as [Float] {
            let parallel = ParallelContexts(slots: slots, temperature: factor, scale: 1)
            expectCode(.invalidInput) { try logits([1], from: 5, over: engine.buffer(8), parallel) }
        }
    }

    @Test(arguments: [
        LayerNeeds(attentionAtSelection: [5]), LayerNeeds(attentionOf: [5]),
        LayerNeeds(masses: AttentionMassNeeds(rows: [5], segments: [0..<3])),
    ])
    func `a look at merged attention is refused, a look at the rest is not`(needs: LayerNeeds) throws {
        let recorder = Recorder()
        recorder.needs = needs
        let merged = ParallelContexts(slots: 2..<4, temperature: 0.9, scale: 1)
        expectCode(.unsupported) { try logits([1], from: 5, over: engine.buffer(8), merged, observer: recorder) }
        #expect(recorder.projections.isEmpty)
        let ordinary = ParallelContexts(slots: 2..<4, temperature: 1, scale: 1)
        _ = try logits([1], from: 5, over: engine.buffer(8), ordinary, observer: recorder)
        recorder.needs = LayerNeeds(keysAndValues: true, queries: true, displaced: true)
        _ = try logits([1], from: 5, over: engine.buffer(8), merged, observer: recorder)
        #expect(recorder.projections.count == 6)
    }
}
