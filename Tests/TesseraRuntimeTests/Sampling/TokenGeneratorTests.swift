// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRuntime
import Testing

@Suite struct `Token generator` {
    private func generator(
        _ runtime: ScriptedRuntime, maximum: Int = 50, stops: [String] = [], capacity: Int = 60
    ) throws -> (TokenGenerator, KVBuffer) {
        let buffer = try KVBuffer(layout: runtime.model.layout, capacity: capacity)
        let generator = TokenGenerator(
            runtime, over: buffer, after: runtime.first, slot: 5, position: 40, sampling: .greedy,
            limits: .init(maximum: maximum, stopTexts: stops))
        return (generator, buffer)
    }

    private func pieces(_ generator: inout TokenGenerator) throws -> [TokenGenerator.Piece] {
        var pieces: [TokenGenerator.Piece] = []
        while let piece = try generator.next() { pieces.append(piece) }
        return pieces
    }

    @Test func `ends at the model's stop token, which is no part of the answer`() throws {
        var (generator, _) = try generator(ScriptedRuntime("a", "b", "c"))
        let pieces = try pieces(&generator)
        #expect(pieces.map(\.text) == ["a", "b", "c"])
        #expect(generator.tokens == [0, 1, 2])
        #expect(generator.end == .stopToken)
        #expect(try generator.next() == nil)
    }

    @Test func `computes each token behind the one before, at its true position`() throws {
        let runtime = ScriptedRuntime("a", "b", "c")
        var (generator, buffer) = try generator(runtime)
        _ = try generator.next()
        #expect(runtime.calls.isEmpty)
        _ = try pieces(&generator)
        #expect(runtime.calls.map(\.slots) == [[5], [6], [7]])
        #expect(runtime.calls.map(\.keyCount) == [6, 7, 8])
        #expect(runtime.calls.allSatisfy { $0.logits == .last })
        #expect(buffer.positions[5...7] == [40, 41, 42])
    }

    @Test func `attends to parallel contexts in every step`() throws {
        let runtime = ScriptedRuntime("a", "b", "c")
        let parallel = ParallelContexts(slots: 1..<4, temperature: 0.9, scale: 0.8)
        var generator = TokenGenerator(
            runtime, over: try KVBuffer(layout: runtime.model.layout, capacity: 60), after: runtime.first, slot: 5,
            position: 40, sampling: .greedy, limits: .init(maximum: 50), parallel: parallel)
        _ = try pieces(&generator)
        #expect(runtime.calls.map(\.parallel) == [parallel, parallel, parallel])
        var (plain, _) = try self.generator(runtime)
        _ = try pieces(&plain)
        #expect(runtime.calls.last?.parallel == nil)
    }

    @Test func `ends at the largest number of tokens without computing behind the last`() throws {
        let runtime = ScriptedRuntime("a", "b", "c")
        var (generator, _) = try generator(runtime, maximum: 2)
        #expect(try pieces(&generator).map(\.text) == ["a", "b"])
        #expect(generator.end == .length)
        #expect(runtime.calls.count == 1)
        var (silent, _) = try self.generator(runtime, maximum: 0)
        #expect(try pieces(&silent).isEmpty && silent.end == .length)
    }

    @Test func `ends at the end of the buffer`() throws {
        var (generator, _) = try generator(ScriptedRuntime("a", "b", "c", "d"), capacity: 7)
        #expect(try pieces(&generator).map(\.text) == ["a", "b", "c"])
        #expect(generator.end == .length)
    }

    @Test func `ends in front of a stop text, also one that spans tokens`() throws {
        var (generator, _) = try generator(ScriptedRuntime("one ", "tw", "o ST", "OP", " three"), stops: ["STOP"])
        let pieces = try pieces(&generator)
        #expect(pieces.map(\.text).joined() == "one two ")
        #expect(pieces.map(\.text) == ["one ", "tw", "o ", ""])
        #expect(generator.end == .stopText)
        #expect(generator.tokens == [0, 1, 2, 3])
    }

    @Test func `text that only looked like a stop text comes after all`() throws {
        var (generator, _) = try generator(ScriptedRuntime("S", "T", "ART S"), stops: ["STOP", ""])
        let pieces = try pieces(&generator)
        #expect(pieces.map(\.text) == ["", "", "START ", "S"])
        #expect(pieces.map(\.token) == [0, 1, 2, nil])
    }

    @Test func `characters are never split`() throws {
        let bytes = Array("né🧵中".utf8)
        var (generator, _) = try generator(ScriptedRuntime(bytes.map { [$0] }))
        let texts = try pieces(&generator).map(\.text)
        #expect(texts == ["n", "", "é", "", "", "", "🧵", "", "", "中"])
    }

    @Test func `a character that never ends becomes a replacement character`() throws {
        var (generator, _) = try generator(ScriptedRuntime([[0x61], [0xF0], [0x9F]]))
        #expect(try pieces(&generator).map(\.text) == ["a", "", "", "\u{FFFD}"])
    }

    @Test func `ends where its task is cancelled`() async throws {
        var (generator, _) = try generator(ScriptedRuntime("a", "b"))
        let task = Task {
            _ = try generator.next()
            withUnsafeCurrentTask { $0?.cancel() }
            let next = try generator.next()
            return (next, generator.end)
        }
        let (next, end) = try await task.value
        #expect(next == nil && end == .cancelled)
    }

    @Test func `a runtime's failure reaches the caller, its cancellation ends the answer`() throws {
        var (failing, _) = try generator(ScriptedRuntime([[0x61], [0x62]], failure: TesseraError(.io, "gone")))
        _ = try failing.next()
        let error = #expect(throws: TesseraError.self) { try failing.next() }
        #expect(error?.code == .io)
        var (cancelled, _) = try generator(ScriptedRuntime([[0x61]], failure: TesseraError(.cancelled, "stop")))
        #expect(try pieces(&cancelled).count == 1)
        #expect(cancelled.end == .cancelled)
    }
}
