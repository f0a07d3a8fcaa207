// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

@Suite struct `Decoding several answers at once` {
    /// A request of some tokens of its own, computed but for the last one.
    private func request(_ engine: CPUEngine, _ tokens: [TokenID], room: Int = 4) throws -> DecodeStep {
        let buffer = try engine.buffer(tokens.count + room)
        let before = Array(tokens.dropLast())
        try engine.prefill(before, at: Array(before.indices), over: buffer, logits: .none)
        return DecodeStep(token: try #require(tokens.last), slot: before.count, buffer: buffer)
    }

    @Test(arguments: GoldenModel.random)
    func `gives the logits of each alone`(golden: GoldenModel) throws {
        let engine = try golden.engine(.fp32)
        let lengths = [48, 3, 17, 2, 31, 40, 5]
        let prompts = lengths.enumerated().map { index, length in
            Array((golden.prompt + golden.prompt).dropFirst(index).prefix(length))
        }
        let together = try engine.decode(prompts.map { try request(engine, $0) })
        let vocabulary = engine.model.vocabulary
        #expect(together.count == prompts.count * vocabulary)
        for (row, prompt) in prompts.enumerated() {
            let alone = try engine.prefill(prompt, logits: .last).logits
            let own = Array(together[row * vocabulary..<(row + 1) * vocabulary])
            #expect(largestDifference(own, alone) < 1e-3, "\(golden.name), row \(row)")
        }
    }

    @Test func `in BF16 too, as near to exact arithmetic as each alone`() throws {
        guard hasBF16 else { return }
        let golden = GoldenModel.random[0]
        let (engine, exactEngine) = (try golden.engine(.bf16), try golden.engine(.fp32))
        let prompts = [2, 9, 30].map { Array(golden.prompt.prefix($0)) }
        let together = try engine.decode(prompts.map { try request(engine, $0) })
        let alone = try prompts.flatMap { try engine.prefill($0, logits: .last).logits }
        let exact = try prompts.flatMap { try exactEngine.prefill($0, logits: .last).logits }
        // How far apart two roundings are says little: each kernel of a processor has its own.
        #expect(largestDifference(together, exact) < 2 * largestDifference(alone, exact))
    }

    @Test func `leaves keys and values behind as a step of its own would`() throws {
        let golden = GoldenModel.random[0]
        let engine = try golden.engine(.fp32)
        let prompts = [12, 33].map { Array(golden.prompt.prefix($0)) }
        let steps = try prompts.map { try request(engine, $0, room: 0) }
        _ = try engine.decode(steps)
        for (step, prompt) in zip(steps, prompts) {
            let whole = try engine.buffer(prompt.count)
            try engine.prefill(prompt, at: Array(prompt.indices), over: whole, logits: .none)
            expectSameKV(step.buffer, whole)
        }
    }

    @Test func `goes through the factors of contexts that stand side by side`() throws {
        let golden = GoldenModel.random[0]
        let engine = try golden.engine(.fp32)
        var step = try request(engine, golden.prompt)
        step.parallel = ParallelContexts(slots: 4..<20, temperature: 0.5, scale: 0.8)
        let other = try request(engine, Array(golden.prompt.prefix(9)))
        let together = try engine.decode([other, step])
        let alone = try engine.prefill(
            PartialPrefill(
                input: .tokens([step.token]), slots: [step.slot], keyCount: step.slot + 1, logits: .last,
                parallel: step.parallel), over: step.buffer
        ).logits
        #expect(largestDifference(Array(together.suffix(alone.count)), alone) < 1e-3)
    }

    @Test func `goes before a prompt that is being computed, which comes out the same`() throws {
        let golden = GoldenModel.random[0]
        let engine = try golden.engine(.fp32)
        let long = (0..<1500).map { golden.prompt[$0 * 7 % golden.prompt.count] }
        let expected = try engine.prefill(long, logits: .last).logits
        let step = try request(engine, Array(golden.prompt.prefix(9)))
        let alone = try engine.decode([step])

        let order = Mutex<[String]>([])
        let (begun, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let outcome = Mutex<PrefillOutput?>(nil)
        Thread {
            outcome.withLock { $0 = try? engine.prefill(long, logits: .last, observer: Beginning(begun)) }
            order.withLock { $0.append("prompt") }
            ended.signal()
        }.start()
        begun.wait()
        let beside = try engine.decode([step])
        order.withLock { $0.append("step") }
        ended.wait()
        #expect(order.withLock { $0 } == ["step", "prompt"])
        #expect(beside == alone)
        let prompt = try #require(outcome.withLock { $0 })
        #expect(prompt.logits == expected && prompt.waited > .zero)
    }

    @Test func `refuses what does not fit`() throws {
        let golden = GoldenModel.random[0]
        let engine = try golden.engine(.fp32)
        #expect(try engine.decode([]).isEmpty)
        let good = try request(engine, Array(golden.prompt.prefix(4)))
        var bad = good
        bad.token = TokenID(engine.model.vocabulary)
        #expect(throws: TesseraError.self) { try engine.decode([good, bad]) }
        bad = good
        bad.slot = good.buffer.capacity
        #expect(throws: TesseraError.self) { try engine.decode([bad]) }
    }
}

/// Tells when the first layer has begun.
private final class Beginning: LayerObserver {
    private let begun: DispatchSemaphore

    init(_ begun: DispatchSemaphore) {
        self.begun = begun
    }

    func layerBegins(_ layer: Int) {
        if layer == 0 { begun.signal() }
    }
}
