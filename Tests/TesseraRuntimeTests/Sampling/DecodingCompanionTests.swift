// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

/// Hands out what it was given, a batch per step.
private final class Mender: DecodingCompanion {
    let batches: [[(slot: Int, token: TokenID)]]
    let observer: (any LayerObserver)?
    var steps: [Int] = []

    init(_ batches: [[(slot: Int, token: TokenID)]], observer: (any LayerObserver)? = nil) {
        self.batches = batches
        self.observer = observer
    }

    func rows(before step: Int) -> [(slot: Int, token: TokenID)] {
        steps.append(step)
        return step < batches.count ? batches[step] : []
    }
}

@Suite struct `Decoding companion` {
    private func generator(_ runtime: ScriptedRuntime, _ companion: Mender?) throws -> TokenGenerator {
        TokenGenerator(
            runtime, over: try KVBuffer(layout: runtime.model.layout, capacity: 60), after: runtime.first, slot: 5,
            position: 40, sampling: .greedy, limits: .init(maximum: 4), companion: companion)
    }

    @Test func `its rows are computed together with each token, in front of it`() throws {
        let runtime = ScriptedRuntime("a", "b", "c", "d")
        let mender = Mender([[(1, 11), (3, 13)], [], [(0, 10)]])
        var generator = try generator(runtime, mender)
        while try generator.next() != nil {}
        #expect(generator.tokens == [0, 1, 2, 3])
        #expect(mender.steps == [0, 1, 2])
        #expect(runtime.calls.map(\.slots) == [[1, 3, 5], [6], [0, 7]])
        #expect(runtime.calls.map(\.keyCount) == [6, 7, 8])
        #expect(runtime.calls.allSatisfy { $0.logits == .last })
        let tokens = runtime.calls.map { call -> [TokenID] in
            if case .tokens(let tokens) = call.input { tokens } else { [] }
        }
        #expect(tokens == [[11, 13, 0], [1], [10, 2]])
    }

    @Test(arguments: [5, 6, 40]) func `rows that are not of the prompt are refused`(slot: Int) throws {
        let runtime = ScriptedRuntime("a", "b")
        var generator = try generator(runtime, Mender([[(1, 11), (slot, 12)]]))
        _ = try generator.next()
        let error = #expect(throws: TesseraError.self) { try generator.next() }
        #expect(error?.code == .invalidInput)
        #expect(runtime.calls.isEmpty)
    }

    @Test(arguments: [[3, 1], [2, 2], [-1]]) func `rows that do not ascend are refused by the engine`(slots: [Int])
        throws
    {
        let golden = GoldenModel.random[1]
        let engine = try golden.engine(.fp32)
        let buffer = try golden.buffer(for: engine)
        let logits = try engine.prefill(
            golden.prompt, at: Array(golden.prompt.indices), over: buffer, logits: .last
        ).logits
        var generator = generator(engine, buffer, golden, logits, Mender([slots.map { ($0, 1) }]))
        _ = try generator.next()
        expectCode(.invalidInput) { try generator.next() }
    }

    @Test func `mends a damaged prompt into what a prefill makes of it`() throws {
        let golden = GoldenModel.random[1]
        let engine = try golden.engine(.fp32)
        let tokens = golden.prompt
        let whole = try engine.buffer(tokens.count + 16)
        let logits = try engine.prefill(tokens, at: Array(tokens.indices), over: whole, logits: .last).logits
        let damaged = try engine.buffer(tokens.count + 16)
        let others = tokens.map { ($0 * 3 + 7) % TokenID(engine.model.vocabulary) }
        try engine.prefill(others, at: Array(tokens.indices), over: damaged, logits: .none)

        let watcher = Recorder()
        let batches = stride(from: 0, to: tokens.count, by: 16).map { start in
            (start..<start + 16).map { (slot: $0, token: tokens[$0]) }
        }
        var mending = generator(engine, damaged, golden, logits, Mender(batches, observer: watcher))
        for _ in 0...3 { _ = try mending.next() }
        #expect(mending.tokens.count == 4)
        // 16 rows of the prompt and the new token, in each of three layers, three times.
        #expect(watcher.projections.map(\.slots.count) == Array(repeating: 17, count: 9))
        expectSameKV(damaged, whole, tokens.indices)

        // Behind the mended prompt an answer goes as behind the true one.
        var (first, second) = (
            generator(engine, damaged, golden, logits, nil), generator(engine, whole, golden, logits, nil)
        )
        for _ in 0..<8 {
            let (mended, expected) = (try first.next(), try second.next())
            #expect(mended == expected)
        }
        expectSameKV(damaged, whole, tokens.count..<tokens.count + 7)
    }

    private func generator(
        _ engine: CPUEngine, _ buffer: KVBuffer, _ golden: GoldenModel, _ logits: [Float],
        _ companion: Mender?
    ) -> TokenGenerator {
        TokenGenerator(
            engine, over: buffer, after: logits, slot: golden.prompt.count, position: Int32(golden.prompt.count),
            sampling: .greedy, limits: .init(maximum: 12), companion: companion)
    }

    private func expectSameKV(_ a: KVBuffer, _ b: KVBuffer, _ slots: Range<Int>) {
        for layer in 0..<a.layout.layers {
            let (left, right) = (a.rows(slots, of: layer), b.rows(slots, of: layer))
            #expect(largestDifference(left.keys, right.keys) < 1e-4)
            #expect(largestDifference(left.values, right.values) < 1e-4)
        }
    }
}
