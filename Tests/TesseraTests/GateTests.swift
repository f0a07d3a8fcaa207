// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraReuse
import TesseraTestSupport
import Testing

@testable import Tessera

struct `quality gate` {
    private func record(
        _ cache: ContextCache, kinds: [String] = ["fact", "hop"], passed: [String] = ["fact", "hop"],
        suite: String? = nil,
        fingerprint: String? = nil,
        assembly: Assembly = .stitched(.deviation(layer: 1), ratio: 0.2, variants: .isolated),
        loss: [String: Double] = ["fact": 0, "hop": 2]
    ) -> GateRecord {
        return GateRecord(
            fingerprint: fingerprint ?? cache.fingerprint.digest.description, model: "test",
            suite: suite ?? QualitySuite.digest, kinds: kinds, questions: ["fact": 10, "hop": 10], exact: [:], bar: 2,
            scorePasses: 1,
            methods: [
                GateRecord.Method(
                    assembly: assembly, kinds: passed, right: [:], loss: loss, effectiveRecompute: 0.3, klMean: 0)
            ], signed: 0)
    }

    @Test func `without one, answers are exact, and stitching is an error that names the way out`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 31)
            try await cache.ingest(contextsOf: prompt)
            let report = try await cache.answer(prompt, options: AnswerOptions(maximumTokens: 2)).report
            #expect(report.assembly == "exact" && report.provenance == .exact && report.hits == 0)
            for assembly in [Assembly.stitched(.none, ratio: 0), .parallel()] {
                let options = AnswerOptions(assembly: assembly, maximumTokens: 2)
                let error = await #expect(throws: TesseraError.self) {
                    try await cache.answer(prompt, options: options)
                }
                #expect(error?.code == .invalidInput)
                #expect(error?.message.contains("tessera gate") == true && error?.message.contains("--ungated") == true)
            }
        }
    }

    @Test func `with one, what passed is the default, and what passed at less is allowed`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 32)
            try await cache.ingest(contextsOf: prompt)
            try await cache.sign(record(cache))
            let report = try await cache.answer(prompt, options: AnswerOptions(maximumTokens: 2)).report
            #expect(report.explanation.reason.contains("gate"))
            #expect(report.hits == 3, "what loading costs can't be known before anything was loaded")
            func answer(_ ratio: Double) async throws -> Answer {
                let assembly = Assembly.stitched(.deviation(layer: 1), ratio: ratio, variants: .isolated)
                return try await cache.answer(prompt, options: AnswerOptions(assembly: assembly, maximumTokens: 2))
            }
            #expect(try await answer(0.3).report.provenance == .composed)
            await #expect(throws: TesseraError.self) { try await answer(0.1) }
        }
    }

    @Test func `a chunk without scores is computed where the gate has passed scores only`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 34)
            try await cache.ingest(contextsOf: prompt)
            try await cache.ingest(chunk: prompt.contexts[1].ids, behind: [prompt.contexts[2].ids])
            let assembly = Assembly.stitched(.storedScore(), ratio: 0.2)
            try await cache.sign(record(cache, assembly: assembly))
            func sources(ungated: Bool) async throws -> [ContextDecision.Source] {
                let options = AnswerOptions(
                    assembly: assembly, ungated: ungated, maximumTokens: 1, keepsMisses: false)
                return try await cache.answer(prompt, options: options).report.explanation.contexts.map(\.source)
            }
            // The first stands in front as it was encoded, the second has scores, the third has none.
            #expect(try await sources(ungated: false) == [.isolated, .isolated, .computed])
            #expect(try await sources(ungated: true) == [.isolated, .isolated, .isolated])
        }
    }

    @Test func `a narrow one is for requests that name their kind`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 33)
            try await cache.ingest(contextsOf: prompt)
            try await cache.sign(record(cache, kinds: ["fact"], passed: ["fact"]))
            let known = await cache.gateRecord()
            #expect(known?.isNarrow == true && known?.best(for: nil) == nil && known?.best(for: "fact") != nil)
            let plain = try await cache.answer(prompt, options: AnswerOptions(maximumTokens: 2)).report
            #expect(plain.assembly == "exact" && plain.explanation.reason.contains("names no kind"))
            let hop = try await cache.answer(prompt, options: AnswerOptions(kind: "hop", maximumTokens: 2)).report
            #expect(hop.assembly == "exact")
        }
    }

    @Test func `a record of another model or suite is refused`() async throws {
        try await withSmallCache { cache in
            for wrong in [record(cache, suite: "other"), record(cache, fingerprint: "other")] {
                let error = await #expect(throws: TesseraError.self) { try await cache.sign(wrong) }
                #expect(error?.code == .invalidInput)
                let bytes = Array(try JSONEncoder().encode(wrong))
                await #expect(throws: TesseraError.self) { try await cache.sign(json: bytes) }
            }
            await #expect(throws: TesseraError.self) { try await cache.sign(json: Array("{}".utf8)) }
            #expect(await cache.gateRecord() == nil)
        }
    }

    @Test func `a record that no gate can have come to is refused`() async throws {
        try await withSmallCache { cache in
            for wrong in [
                record(cache, assembly: .stitched(.deviation, ratio: 5)),
                record(cache, assembly: .stitched(.deviation(layer: 99), ratio: 0.2)),
                record(cache, assembly: .parallel(temperature: 0)), record(cache, kinds: []),
                record(cache, kinds: ["tale"], passed: ["tale"]), record(cache, loss: ["fact": 0, "hop": 2.5]),
                record(cache, kinds: ["fact"]), record(cache, loss: [:]),
            ] {
                let error = await #expect(throws: TesseraError.self) { try await cache.sign(wrong) }
                #expect(error?.code == .invalidInput && error?.message.contains("tessera gate") == true)
            }
        }
    }

    @Test func `scores that were seen less often than the gate's are not used, and requests see to that`() async throws
    {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 35)
            try await cache.ingest(contextsOf: prompt)
            var wanted = record(cache, assembly: .stitched(.storedScore(), ratio: 0.2))
            wanted.scorePasses = 2
            try await cache.sign(wanted)
            func ask() async throws -> ReuseReport {
                let options = AnswerOptions(
                    assembly: .stitched(.storedScore(), ratio: 0.2), maximumTokens: 1)
                return try await cache.answer(prompt, options: options).report
            }
            #expect(try await ask().explanation.contexts.map(\.source) == [.isolated, .computed, .computed])
            let second = try await ask().explanation.contexts
            #expect(
                second.map(\.source) == [.isolated, .computed, .computed]
                    && second[1].reason.contains("1 of the 2 contexts"))
            #expect(try await ask().explanation.contexts.map(\.source) == [.isolated, .isolated, .isolated])
        }
    }

    @Test func `with nothing stored, a request that goes by the gate keeps what the next one can use`() async throws {
        try await withSmallCache { cache in
            let prompt = randomPrompt(seed: 36)
            try await cache.sign(record(cache))
            let first = try await cache.answer(prompt, options: AnswerOptions(maximumTokens: 1)).report
            #expect(first.hits == 0 && first.misses == 3 && first.provenance == .exact)
            let again = try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0)).report
            #expect(again.hits == 3)
        }
    }

    @Test func `a record outlives the process, and another recipe does not see it`() async throws {
        try await withTemporaryDirectory { folder in
            let store = folder.appendingPathComponent("store").path
            let cache = try ContextCache(model: smallModel, store: store, options: .exactArithmetic())
            let signed = record(cache)
            try await cache.sign(json: Array(try JSONEncoder().encode(signed)))
            await cache.close()
            let again = try ContextCache(model: smallModel, store: store, options: .exactArithmetic())
            #expect(await again.gateRecord() == signed)
            await again.close()
            let other = try ContextCache(model: smallModel, store: store, options: .exactArithmetic(recipe: .none))
            #expect(await other.gateRecord() == nil)
            await other.close()
        }
    }

    @Test func `an assembly covers its like at the same ratio and above`() {
        let passed = Assembly.stitched(.storedScore(), ratio: 0.15)
        #expect(passed.covers(.stitched(.storedScore(), ratio: 0.3)))
        #expect(!passed.covers(.stitched(.storedScore(), ratio: 0.1)))
        #expect(!passed.covers(.stitched(.storedScore(StoredScore(score: .mean)), ratio: 0.3)))
        #expect(!passed.covers(.stitched(.deviation, ratio: 0.3)))
        #expect(passed.covers(.stitched(.all, ratio: 1)))
        #expect(!passed.covers(.stitched(.storedScore(), ratio: 0.3, variants: .isolated)), "not what was tried")
        #expect(Assembly.stitched(.firstK(count: 2), ratio: 0).covers(.stitched(.firstK(count: 4), ratio: 0)))
        #expect(!Assembly.parallel(temperature: 0.9).covers(.parallel(temperature: 0.8)))
    }
}

struct `quality suite` {
    @Test func `the built-in one has every kind, and references need more than one context`() {
        let suite = QualitySuite.builtIn
        #expect(Set(suite.map(\.kind)) == ["fact", "hop", "reference", "unknown"])
        #expect(suite.count > 400 && suite.allSatisfy { $0.contexts.count >= 4 && !$0.answers.isEmpty })
        #expect(QualitySuite.sample(suite, perKind: 3).count == 12)
        #expect(QualitySuite.sample(suite, perKind: 3, kinds: ["hop"]).map(\.kind) == ["hop", "hop", "hop"])
    }

    @Test(arguments: [
        "no json", "{\"question\": \"q\"}", "{\"contexts\": [], \"question\": \"q\", \"answers\": [], \"kind\": \"k\"}",
    ])
    func `a broken line is named by its number`(line: String) {
        let good = #"{"contexts": ["c"], "question": "q", "answers": ["a"], "kind": "k"}"#
        let error = #expect(throws: TesseraError.self) {
            try QualitySuite.read("\(good)\n\n\(line)\n", named: "file.jsonl")
        }
        #expect(error?.code == .invalidInput && error?.message.contains("file.jsonl, line 3") == true)
    }
}
