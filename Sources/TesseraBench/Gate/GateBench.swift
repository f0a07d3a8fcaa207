// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Tessera
internal import TesseraKV
internal import TesseraReuse

/// Runs a model's quality gate: which ways to reuse KV keep its answers, and at which ratio.
///
/// A way passes for a kind of question at the smallest ratio from which on no ratio tried loses more than ``bar`` points
/// of right answers against `exact`, the same questions asked. A kind that `exact` itself gets wrong more often than
/// right says nothing by right answers: there an answer counts as kept when it is `exact`'s own.
public struct GateBench: Sendable {
    /// Points that may be lost on a kind.
    public var bar = 2.0
    /// The kinds to sign for; nil for all of the suite.
    public var kinds: [String]?
    /// Seconds that the run may take; at least ``leastPerKind`` questions of each kind are asked whatever it says.
    public var budget = 600.0
    /// The fewest questions of each kind.
    public var leastPerKind = 25
    /// Chunks that each context is encoded behind for `storedScore`.
    public var neighbours = 3
    /// How often that is done, each time behind others; requests use scores that were seen as often.
    public var passes = 4
    /// The shares that are tried.
    public var ratios = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5]

    /// A gate with the usual bar.
    public init() {}

    /// A way to reuse KV at growing ratios.
    struct Family {
        var ladder: [Assembly]

        init(_ selector: Selector, _ ratios: [Double], variants: VariantUse = .isolated) {
            ladder = ratios.map { .stitched(selector, ratio: $0, variants: variants) }
        }

        init(_ ladder: [Assembly]) { self.ladder = ladder }
    }

    /// What is tried on a model.
    func families(layers: Int, parallel: Assembly) -> [Family] {
        let middle = max(1, layers / 2)
        let linked = [0, 1, 2, 4, 8].map { Assembly.stitched(.firstK(count: $0), ratio: 0, variants: .isolated) }
        return [
            Family(linked), Family(.storedScore(), ratios, variants: .best), Family(.deviation, ratios),
            Family(.deviation(layer: middle), ratios), Family(.question, ratios), Family([parallel]),
        ]
    }

    /// Runs the gate on the built-in suite.
    ///
    /// - Parameters:
    ///   - cache: The model; nothing is signed, see ``ContextCache/sign(_:)``.
    ///   - workers: Caches of the same model that ask in its place, as many questions at once; none for one at a time.
    ///   - progress: Told how many questions are done.
    /// - Throws: ``TesseraError`` of code `invalidInput` for kinds that the suite does not have.
    public func run(
        on cache: ContextCache, workers: [ContextCache] = [], progress: (Int) -> Void = { _ in }
    ) async throws -> GateRecord {
        let suite = QualitySuite.builtIn
        let known = Set(suite.map(\.kind))
        if let unknown = kinds?.first(where: { !known.contains($0) }) {
            throw TesseraError(
                .invalidInput,
                "the suite has no questions of kind \(unknown); it has \(known.sorted().joined(separator: ", "))")
        }
        let questions = QualitySuite.sample(suite, perKind: nil, kinds: kinds)
        let settings = await cache.parallelSettings()
        let families = families(layers: cache.model.layout.layers, parallel: settings?.assembly ?? .parallel())
        var bench = QualityBench(families.flatMap(\.ladder))
        (bench.controls, bench.timed, bench.neighbours, bench.passes) = (false, 0, neighbours, passes)
        let least = leastPerKind * Set(questions.map(\.kind)).count
        let start = ContinuousClock.now
        let report = try await bench.run(
            questions, on: cache, workers: workers, progress: progress,
            goesOn: { $0 < least || (ContinuousClock.now - start) / .seconds(1) < budget })
        return record(report, families, on: cache, all: known)
    }

    private func record(
        _ report: QualityReport, _ families: [Family], on cache: ContextCache, all: Set<String>
    ) -> GateRecord {
        let exact = report.results[0]
        var results = report.results.dropFirst()[...]
        var methods: [GateRecord.Method] = []
        for family in families {
            let rungs = Array(results.prefix(family.ladder.count))
            results = results.dropFirst(family.ladder.count)
            methods += passed(rungs, exact: exact, kinds: report.kinds)
        }
        var questions = report.questions
        // Kinds of the suite that were not asked make the record a narrow one.
        for kind in all where questions[kind] == nil { questions[kind] = 0 }
        return GateRecord(
            fingerprint: cache.fingerprint.digest.description, model: cache.model.name, suite: QualitySuite.digest,
            kinds: report.kinds, questions: questions, exact: exact.exactMatch, bar: bar,
            scorePasses: neighbours > 0 ? passes : 0,
            methods: methods.sorted { $0.effectiveRecompute < $1.effectiveRecompute },
            signed: Date().timeIntervalSince1970)
    }

    /// The rungs of a ladder at which more kinds pass than before; its last one, where none passes.
    func passed(_ rungs: [QualityReport.Result], exact: QualityReport.Result, kinds: [String]) -> [GateRecord.Method] {
        var methods: [GateRecord.Method] = []
        var before: Set<String> = []
        for index in rungs.indices {
            let kept = Set(kinds.filter { kind in rungs[index...].allSatisfy { loss(of: $0, exact, kind) <= bar } })
            let isLast = index == rungs.count - 1 && methods.isEmpty
            guard kept.count > before.count || isLast else { continue }
            before = kept
            let rung = rungs[index]
            methods.append(
                GateRecord.Method(
                    assembly: rung.method, kinds: kinds.filter { kept.contains($0) }, right: rung.exactMatch,
                    loss: Dictionary(uniqueKeysWithValues: kinds.map { ($0, loss(of: rung, exact, $0)) }),
                    effectiveRecompute: rung.effectiveRecompute, klMean: rung.klMean))
        }
        return methods
    }

    private func loss(of result: QualityReport.Result, _ exact: QualityReport.Result, _ kind: String) -> Double {
        guard exact.exactMatch[kind] ?? 0 >= 0.5 else { return 100 * (1 - (result.sameAnswer[kind] ?? 0)) }
        return result.loss[kind]?.points ?? 100
    }
}
