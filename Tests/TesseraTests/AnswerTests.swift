// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraReuse
import TesseraTestSupport
import Testing

@testable import Tessera

struct `answering` {
    private let stitched = AnswerOptions(
        assembly: .stitched(.deviation, ratio: 0.2), ungated: true, maximumTokens: 8)

    @Test func `what the first answer had to compute, the second one finds`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 21, system: 12)
            let first = try await cache.answer(prompt, options: stitched)
            #expect(first.report.misses == 3 && first.report.hits == 0 && first.report.prefixTokens == 0)
            #expect(first.report.provenance == .exact)
            let second = try await cache.answer(prompt, options: stitched)
            #expect(second.report.misses == 0 && second.report.hits == 3 && second.report.prefixTokens == 12)
            #expect(second.report.provenance == .composed)
            #expect(second.report.recomputedTokens == 15)
        }
    }

    @Test func `nothing is kept where it is not wanted`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 22)
            var options = stitched
            options.keepsMisses = false
            _ = try await cache.answer(prompt, options: options)
            #expect(try await cache.answer(prompt, options: options).report.hits == 0)
        }
    }

    @Test func `an exact answer is the same with and without a store full of chunks`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 23)
            let options = AnswerOptions(assembly: .exact, maximumTokens: 12)
            let before = try await cache.answer(prompt, options: options)
            try await cache.ingest(contextsOf: prompt)
            let after = try await cache.answer(prompt, options: options)
            #expect(before.tokens == after.tokens && before.tokens.count == 12)
            #expect(after.report.reusedTokens == 0)
        }
    }

    @Test func `a damaged record is a miss, and the answer comes all the same`() async throws {
        try await withTemporaryDirectory { folder in
            let store = folder.appendingPathComponent("store")
            let prompt = randomPrompt(seed: 24)
            let open = { try ContextCache(model: smallModel, store: store.path, options: .exactArithmetic()) }
            let cache = try open()
            try await cache.ingest(contextsOf: prompt)
            await cache.close()
            try damageLayers(in: store)

            let reopened = try open()
            let result = try await reopened.logits(of: prompt, assembly: .stitched(.none, ratio: 0))
            let exact = try await reopened.logits(of: prompt, assembly: .exact)
            #expect(result.report.misses > 0)
            #expect(result.report.hits + result.report.misses == 3)
            if result.report.hits == 0 { #expect(largestDifference(result.logits, exact.logits) < 2e-4) }
            await reopened.close()
        }
    }

    @Test func `a context twice, an empty one, one alone and none at all`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 25)
            try await cache.ingest(contextsOf: prompt)
            let chunk = prompt.contexts[0]
            for (contexts, hits) in [([chunk, chunk], 2), ([.tokens([]), chunk], 1), ([chunk], 1), ([], 0)] {
                let varied = Prompt(system: nil, contexts: contexts, question: prompt.question)
                let all = try await cache.logits(of: varied, assembly: .stitched(.all, ratio: 1))
                let exact = try await cache.logits(of: varied, assembly: .exact)
                #expect(all.report.hits == hits)
                #expect(largestDifference(all.logits, exact.logits) < 2e-4)
            }
        }
    }

    @Test(arguments: [
        Assembly.exact, .stitched(.none, ratio: 0), .stitched(.deviation, ratio: 0.2),
        .stitched(.storedScore(), ratio: 0.2), .stitched(.deviationAttention(layer: 1, repairs: 1), ratio: 0.2),
        .stitched(.question, ratio: 0.2), .parallel(temperature: 0.9, scale: 0.9),
    ]) func `any number of contexts, also twice the same and empty ones, is answered by every assembly`(
        assembly: Assembly
    ) async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 28, contexts: [9])
            let chunk = prompt.contexts[0]
            let tiny = (0..<200).map { Prompt.Segment.tokens([TokenID(3 + $0)]) }
            for contexts in [[chunk, chunk], [.tokens([]), chunk], [chunk], [], [.tokens([])], tiny] {
                let varied = Prompt(system: nil, contexts: contexts, question: prompt.question)
                let options = AnswerOptions(assembly: assembly, ungated: true, maximumTokens: 3)
                for round in 0..<2 {
                    let report = try await cache.answer(varied, options: options).report
                    let known = contexts.count { $0.ids.count > 0 }
                    if assembly != .exact { #expect(report.hits + report.misses == known) }
                    if round == 1, assembly != .exact { #expect(report.hits == known) }
                }
            }
        }
    }

    @Test func `a prompt beyond the context and one without tokens are refused`() async throws {
        try await withSmallCache { cache in
            let long = randomPrompt(seed: 26, contexts: [cache.model.contextLength])
            let error = await #expect(throws: TesseraError.self) { try await cache.answer(long) }
            #expect(error?.code == .tooLong)
            let empty = Prompt(system: nil, contexts: [], question: .tokens([]))
            if cache.tokenizer.addsBeginning == false {
                let error = await #expect(throws: TesseraError.self) { try await cache.answer(empty) }
                #expect(error?.code == .invalidInput)
            }
        }
    }

    @Test func `a cancelled task ends with an error that says so`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 27, contexts: [50, 50])
            let code = await Task {
                withUnsafeCurrentTask { $0?.cancel() }
                do {
                    _ = try await cache.answer(prompt, options: AnswerOptions(assembly: .exact, maximumTokens: 64))
                    return nil as TesseraError.Code?
                } catch {
                    return (error as? TesseraError)?.code
                }
            }.value
            #expect(code == .cancelled)
        }
    }

    /// Flips bits all over every file of layers.
    private func damageLayers(in store: URL) throws {
        let folder = store.appendingPathComponent("layers")
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            let file = folder.appendingPathComponent(name)
            var bytes = try Data(contentsOf: file)
            for place in stride(from: 500, to: bytes.count, by: 700) { bytes[place] ^= 0x10 }
            try bytes.write(to: file)
        }
    }
}
