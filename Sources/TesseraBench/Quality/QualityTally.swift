// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Tessera
internal import TesseraKV

/// What came of one question under one assembly.
struct QualityOutcome: Sendable {
    var right: Bool
    /// Whether the answer is `exact`'s.
    var same: Bool
    var divergence: Double
    var agreement: Double
    var report: ReuseReport
}

/// What came of one question under one assembly, and under random selection of as much.
struct QualityOutcomes: Sendable {
    var own: QualityOutcome
    var random: QualityOutcome?

    init(_ own: QualityOutcome) {
        self.own = own
    }
}

/// One assembly's outcomes, question by question.
struct QualityTally {
    let assembly: Assembly
    let outcomes: [QualityOutcome]
    /// As many as ``outcomes``, or none.
    let random: [QualityOutcome]
    var seconds: [Double] = []

    init(_ assembly: Assembly, _ asked: [QualityOutcomes]) {
        self.assembly = assembly
        outcomes = asked.map(\.own)
        random = asked.compactMap(\.random)
    }

    /// The figures of all questions.
    ///
    /// - Parameters:
    ///   - exact: The tally of `exact`.
    ///   - kinds: The kind of each question.
    func result(exact: QualityTally, kinds: [String]) -> QualityReport.Result? {
        guard let last = outcomes.last else { return nil }
        let (mine, reference) = (outcomes.map(\.right), exact.outcomes.map(\.right))
        let speed = seconds.isEmpty ? nil : median(seconds)
        let reused = outcomes.reduce(0) { $0 + $1.report.hits }
        return QualityReport.Result(
            assembly: last.report.assembly, selector: last.report.selector, ratio: last.report.ratio,
            checkLayer: last.report.checkLayer, label: assembly.label, method: assembly,
            effectiveRecompute: mean(outcomes.map(\.report.effectiveRecompute)),
            exactMatch: shares(of: mine, kinds), sameAnswer: shares(of: outcomes.map(\.same), kinds),
            loss: losses(from: reference, to: mine, kinds),
            klMean: mean(outcomes.map(\.divergence)), klP95: quantile(0.95, of: outcomes.map(\.divergence)),
            top1Agreement: mean(outcomes.map(\.agreement)), ttft: speed,
            speedup: speed.flatMap { $0 > 0 && !exact.seconds.isEmpty ? median(exact.seconds) / $0 : nil },
            unscored: reused == 0
                ? 0 : Double(outcomes.reduce(0) { $0 + $1.report.unscoredHits }) / Double(reused),
            random: control(mine, kinds))
    }

    private func control(_ mine: [Bool], _ kinds: [String]) -> QualityReport.Control? {
        guard !random.isEmpty else { return nil }
        let other = random.map(\.right)
        let loss = losses(from: mine, to: other, kinds)
        let divergence = mean(random.map(\.divergence))
        var unbeaten = loss.filter { $0.value.points <= 0 }.keys.sorted()
        if divergence <= mean(outcomes.map(\.divergence)) { unbeaten.append("KL") }
        return QualityReport.Control(
            exactMatch: shares(of: other, kinds), loss: loss, klMean: divergence, unbeaten: unbeaten)
    }
}

/// The share of right answers of each kind.
private func shares(of right: [Bool], _ kinds: [String]) -> [String: Double] {
    Dictionary(grouping: zip(kinds, right), by: \.0).mapValues { pairs in
        Double(pairs.count { $0.1 }) / Double(pairs.count)
    }
}

/// The paired loss of each kind.
private func losses(from reference: [Bool], to other: [Bool], _ kinds: [String]) -> [String: PairedLoss] {
    Dictionary(grouping: kinds.indices, by: { kinds[$0] }).mapValues { places in
        PairedLoss(reference: places.map { reference[$0] }, other: places.map { other[$0] })
    }
}
