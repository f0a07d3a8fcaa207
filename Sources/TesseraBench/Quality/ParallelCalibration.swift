// SPDX-License-Identifier: Apache-2.0

public import Tessera
internal import TesseraKV

/// Finds APE's temperature and scale for a model: those whose next-token distributions are nearest to a full prefill's.
///
/// APE (Yang et al., ICLR 2025), §4.4, searches a grid with labelled validation questions. Here the model itself is the
/// reference: KL(exact ‖ parallel) along `exact`'s own answers, so that no labels are needed and a few dozen prompts will
/// do. The quarter of the prompts that plain parallel attention serves worst is left out: where one context speaks of
/// another, no temperature brings the answer back, but the divergence there is so large that it would decide everything.
/// The grid's coarse points are measured on some of the others, the best of them and the points around them on all. The
/// best on every second of those is taken where the rest confirm it: where its gain over plain attention there has a 95 %
/// interval above 0. Else T = S = 1 stays, as a model that needs no correction is harmed by one.
public struct ParallelCalibration: Sendable {
    /// The most tokens of an answer that are compared.
    public var answerTokens = 24
    /// Prompts for the first round.
    public var firstPrompts = 8
    /// The share of the prompts that is measured on.
    public var share = 0.75

    /// The fewest prompts that confirm anything.
    public static let leastPrompts = 8

    /// Makes a calibration.
    public init() {}

    /// A point of the grid.
    struct Point: Hashable {
        /// T and S in twentieths.
        var temperature, scale: Int

        var assembly: Assembly { .parallel(temperature: Double(temperature) / 20, scale: Double(scale) / 20) }
        static let plain = Point(temperature: 20, scale: 20)

        /// The points around this one, half a coarse step away.
        var neighbours: [Point] {
            [-1, 0, 1].flatMap { t in [-1, 0, 1].map { Point(temperature: temperature + t, scale: scale + $0) } }
                .filter { $0.temperature > 0 && $0.scale > 0 }
        }
    }

    /// The coarse grid: T and S from 0.3 to 1.3 in steps of 0.1.
    static let grid = stride(from: 6, through: 26, by: 2).flatMap { t in
        stride(from: 6, through: 26, by: 2).map { Point(temperature: t, scale: $0) }
    }

    /// Measures.
    ///
    /// - Parameters:
    ///   - prompts: A few dozen prompts with several contexts each.
    ///   - cache: A model; its store is left alone.
    ///   - progress: Told what runs now.
    public func run(
        _ prompts: [Prompt], on cache: ContextCache, progress: (String) -> Void = { _ in }
    ) async throws -> ParallelSettings {
        let candidates = prompts.filter { $0.contexts.count > 1 }
        guard candidates.count >= Self.leastPrompts else {
            throw TesseraError(
                .invalidInput,
                "calibration wants \(Self.leastPrompts) prompts of two contexts and more, and there are \(candidates.count)"
            )
        }
        progress("plain attention on \(candidates.count) prompts")
        let plain = try await divergences([.plain], candidates, cache)[.plain] ?? []
        let limit = quantile(share, of: plain)
        let prompts = zip(candidates, plain).filter { $0.1 <= limit }.map(\.0)
        let first = Array(prompts.prefix(firstPrompts))
        progress("\(Self.grid.count) points on \(first.count) prompts")
        let coarse = try await divergences(Self.grid, first, cache)
        let sums = coarse.mapValues { $0.reduce(0, +) }
        let best = Self.grid.sorted { (sums[$0] ?? 0, $0) < (sums[$1] ?? 0, $1) }.prefix(3)
        let fine = Array(Set(best.flatMap(\.neighbours) + [.plain]))
        progress("\(fine.count) points on \(prompts.count) prompts")
        let all = try await divergences(fine, prompts, cache)
        await cache.letGo()
        let winner = Self.confirmed(all)
        return ParallelSettings(
            temperature: Double(winner.temperature) / 20, scale: Double(winner.scale) / 20,
            kl: mean(all[winner] ?? []), plainKL: mean(all[.plain] ?? []), prompts: prompts.count)
    }

    /// The point that is best on every second prompt, if it is clearly better than plain attention on the rest.
    ///
    /// - Parameter divergences: Of each point on each prompt.
    static func confirmed(_ divergences: [Point: [Double]]) -> Point {
        func every(second start: Int, of values: [Double]) -> [Double] {
            stride(from: start, to: values.count, by: 2).map { values[$0] }
        }
        let sums = divergences.mapValues { every(second: 0, of: $0).reduce(0, +) }
        guard let best = sums.min(by: { ($0.value, $0.key) < ($1.value, $1.key) })?.key else { return .plain }
        let gains = zip(divergences[.plain] ?? [], divergences[best] ?? []).map { $0 - $1 }
        return isAboveZero(every(second: 1, of: gains)) ? best : .plain
    }

    /// The divergence of each point on each prompt.
    private func divergences(
        _ points: [Point], _ prompts: [Prompt], _ cache: ContextCache
    ) async throws -> [Point: [Double]] {
        var found: [Point: [Double]] = [:]
        for prompt in prompts {
            try Task.checkCancellation()
            try await cache.hold(prompt)
            let options = AnswerOptions(assembly: .exact, maximumTokens: answerTokens, keepsMisses: false)
            let answer = try await cache.answer(prompt, options: options).tokens
            let exact = ReferenceDistributions(
                try await cache.logits(of: prompt, along: answer, assembly: .exact).logits,
                vocabulary: cache.model.vocabulary)
            for point in points {
                let logits = try await cache.logits(of: prompt, along: answer, assembly: point.assembly).logits
                found[point, default: []].append(exact.meanDivergence(to: logits))
            }
        }
        return found
    }
}

extension ParallelCalibration.Point: Comparable {
    /// Of points that are as good, the one nearest to plain attention comes first.
    static func < (a: Self, b: Self) -> Bool {
        func distance(_ p: Self) -> Int { abs(p.temperature - 20) + abs(p.scale - 20) }
        return (distance(a), a.temperature, a.scale) < (distance(b), b.temperature, b.scale)
    }
}
