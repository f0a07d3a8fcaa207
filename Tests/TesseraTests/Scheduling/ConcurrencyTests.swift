// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TesseraKV
import TesseraRuntime
import TesseraTestSupport
import Testing

@testable import Tessera

struct `many requests at once` {
    @Test(arguments: [Assembly.exact, .stitched(.deviation, ratio: 0.2), .parallel()])
    func `are answered as each alone`(assembly: Assembly) async throws {
        let prompts = (0..<8).map { randomPrompt(seed: UInt64(70 + $0), contexts: [20 + $0, 13]) }
        let options = AnswerOptions(assembly: assembly, ungated: true, maximumTokens: 16, keepsMisses: false)
        try await withSmallCache { cache in
            for prompt in prompts { try await cache.ingest(contextsOf: prompt) }
            var alone: [[TokenID]] = []
            for prompt in prompts { alone.append(try await cache.answer(prompt, options: options).tokens) }
            let together = try await withThrowingTaskGroup(of: (Int, [TokenID]).self) { group in
                for (index, prompt) in prompts.enumerated() {
                    group.addTask { (index, try await cache.answer(prompt, options: options).tokens) }
                }
                return try await group.reduce(into: [Int: [TokenID]]()) { $0[$1.0] = $1.1 }
            }
            for (index, tokens) in alone.enumerated() { #expect(together[index] == tokens, "prompt \(index)") }
        }
    }

    @Test func `of which one is cancelled don't disturb each other`() async throws {
        let options = AnswerOptions(assembly: .exact, maximumTokens: 60, keepsMisses: false)
        try await withSmallCache { cache in
            let (kept, dropped) = (randomPrompt(seed: 80), randomPrompt(seed: 81))
            let expected = try await cache.answer(kept, options: options).tokens
            let (begun, cancelled) = (AsyncStream<Void>.makeStream(), DispatchSemaphore(value: 0))
            let pieces = Mutex(0)
            async let answer = cache.answer(kept, options: options)
            let task = Task {
                try await cache.answer(dropped, options: options) { _ in
                    let count = pieces.withLock { pieces in
                        pieces += 1
                        return pieces
                    }
                    // From the second on they come on the decoder's own thread, which may be held up.
                    guard count == 2 else { return }
                    begun.continuation.yield()
                    cancelled.wait()
                }
            }
            for await _ in begun.stream { break }
            task.cancel()
            cancelled.signal()
            let error = await #expect(throws: TesseraError.self) { try await task.value }
            #expect(error?.code == .cancelled)
            #expect(try await answer.tokens == expected)
            #expect(cache.scheduler.load == .init(waiting: 0, running: 0, bytes: 0))
        }
    }

    @Test func `leave nothing behind where an answer is begun and let go of`() async throws {
        try await withSmallCache { cache in
            let options = AnswerOptions(assembly: .exact, maximumTokens: 4, keepsMisses: false)
            let prompt = try await cache.tokens(of: randomPrompt(seed: 82), laidOut: false)
            do {
                let started = try await cache.begin(prompt, options: options)
                #expect(started.first != nil && cache.scheduler.load.running == 1)
            }
            #expect(cache.scheduler.load == .init(waiting: 0, running: 0, bytes: 0))
        }
    }

    @Test func `teach what the machine takes, whether or not anything is kept of them`() async throws {
        try await withSmallCache { cache in
            let prompt = try await cache.tokens(of: randomPrompt(seed: 83), laidOut: false)
            let before = cache.machineRates()
            let started = try await cache.begin(prompt, options: AnswerOptions(assembly: .exact, maximumTokens: 2))
            let response = try await cache.finish(started) { _ in }
            #expect(cache.machineRates() != before)
            #expect(response.answer.report.stages.queue > 0)
        }
    }

    @Test func `compute a chunk that several lack once`() async throws {
        try await withSmallCache { cache in
            let chunks = (0..<6).map { randomPrompt(seed: 90 + UInt64($0), contexts: [30]).contexts[0].ids }
            let computed = try await withThrowingTaskGroup(of: Int.self) { group in
                for shift in 0..<6 {
                    let own = Array(chunks[shift...] + chunks[..<shift])
                    group.addTask { try await cache.ingest(chunks: own).chunks }
                }
                return try await group.reduce(0, +)
            }
            #expect(computed == chunks.count)
        }
    }

    @Test func `are refused where too many wait, and those that wait can leave`() async throws {
        var options = ContextCacheOptions(precision: .fp32)
        options.scheduling = SchedulingOptions(answersAtOnce: 1, waitingRequests: 1)
        try await withSmallCache(options: options) { cache in
            let turn = try await cache.scheduler.admit(.request(stored: 0, bytes: 1))
            let answer = AnswerOptions(assembly: .exact, maximumTokens: 2)
            let waiting = Task { try await cache.answer(randomPrompt(seed: 95), options: answer) }
            while cache.scheduler.load.waiting == 0 { try await Task.sleep(for: .milliseconds(1)) }
            let busy = await #expect(throws: TesseraError.self) {
                try await cache.answer(randomPrompt(seed: 96), options: answer)
            }
            #expect(busy?.code == .busy)
            waiting.cancel()
            let left = await #expect(throws: TesseraError.self) { try await waiting.value }
            #expect(left?.code == .cancelled)
            turn.end()
            _ = try await cache.answer(randomPrompt(seed: 97), options: answer)
            #expect(cache.scheduler.load == .init(waiting: 0, running: 0, bytes: 0))
        }
    }
}
