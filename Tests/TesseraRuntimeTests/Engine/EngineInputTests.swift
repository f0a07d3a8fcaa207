// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRuntime
import Testing

@Suite struct `Bad input to the engine` {
    private let engine: CPUEngine
    private let buffer: KVBuffer

    init() throws {
        engine = try GoldenModel.random[0].engine(.fp32)
        buffer = try engine.buffer(16)
    }

    private struct Call: CustomTestStringConvertible {
        let testDescription: String
        let tokens: [TokenID]
        let slots: [Int]
        let keyCount: Int
    }

    private static let calls = [
        Call(testDescription: "no rows", tokens: [], slots: [], keyCount: 4),
        Call(testDescription: "an unknown token", tokens: [1, 259], slots: [0, 1], keyCount: 2),
        Call(testDescription: "a negative token", tokens: [-1], slots: [0], keyCount: 1),
        Call(testDescription: "slots that descend", tokens: [1, 2], slots: [3, 1], keyCount: 4),
        Call(testDescription: "a slot twice", tokens: [1, 2], slots: [3, 3], keyCount: 4),
        Call(testDescription: "a negative slot", tokens: [1], slots: [-1], keyCount: 4),
        Call(testDescription: "a slot beyond the buffer", tokens: [1], slots: [16], keyCount: 17),
        Call(testDescription: "a key count below a slot", tokens: [1], slots: [3], keyCount: 3),
        Call(testDescription: "a key count beyond the buffer", tokens: [1], slots: [3], keyCount: 17),
        Call(testDescription: "more slots than tokens", tokens: [1], slots: [3, 4], keyCount: 5),
    ]

    @Test(arguments: calls)
    private func `is refused`(call: Call) throws {
        expectCode(.invalidInput) {
            try engine.prefill(
                call.tokens, at: call.slots, over: buffer, keyCount: call.keyCount, logits: .last)
        }
    }

    @Test(arguments: [-1, 0, 3]) func `logits of no rows, or of more than there are, are refused`(count: Int) throws {
        expectCode(.invalidInput) { try engine.prefill([1, 2], logits: .trailing(count)) }
    }

    @Test func `embeddings of another width are refused`() throws {
        let call = PartialPrefill(input: .embeddings([1, 2, 3]), slots: [0], keyCount: 1, logits: .last)
        expectCode(.invalidInput) { try engine.prefill(call, over: buffer) }
    }

    @Test func `a buffer of another shape is refused`() throws {
        let other = try KVBuffer(layout: KVLayout(layers: 2, heads: 2, headDimension: 16), capacity: 16)
        expectCode(.invalidInput) { try engine.prefill([1], at: [0], over: other, logits: .last) }
    }

    @Test func `no threads are refused`() throws {
        let file = try GGUFFile(path: GoldenModel.random[0].path)
        expectCode(.invalidInput) {
            try CPUEngine(file: file, tokenizer: SilentTokenizer(), options: .init(threads: 0))
        }
    }

    @Test func `a cancelled task ends between layers`() async throws {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            let tokens = [TokenID](repeating: 3, count: 4000)
            return try engine.prefill(tokens, logits: .last)
        }
        let error = await #expect(throws: TesseraError.self) { try await task.value }
        #expect(error?.code == .cancelled)
    }
}
