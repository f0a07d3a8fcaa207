// SPDX-License-Identifier: Apache-2.0

public import Tessera
internal import TesseraKV

/// Finds APE's temperature and scale for a model: those whose next-token distributions are nearest to a full prefill's.
///
/// APE (Yang et al., ICLR 2025), §4.4, searches a grid with labelled validation questions. Here the model itself is the
/// reference: KL(exact ‖ parallel) along `exact`'s own answers, so that no labels are needed and a few dozen prompts will
/// do. The quarter of the prompts that plain parallel attention serves worst is left out: where one context speaks of
/// another, no temperature brings the answer back, but the divergence there is so large that it would decide everything.
/// The grid's coarse points are measured on some of the others, the best of them and the points around them on all.
public struct ParallelCalibration: Sendable {
    /// The most tokens of an answer that are compared.
    public var answerTokens = 24
    /// Prompts for the first round.
    public var firstPrompts = 8
    /// The share of the prompts that is measured on.
    public var share = 0.75

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
        guard prompts.contains(where: { $0.contexts.count > 1 }) else {
            throw TesseraError(.invalidInput, "calibration wants prompts of two contexts and more")
        }
        progress("plain attention on \(prompts.count) prompts")
        var plain: [Double] = []
        for prompt in prompts { plain.append(try await divergences([.plain], [prompt], cache)[.plain] ?? 0) }
        let limit = quantile(share, of: plain)
        let prompts = zip(prompts, plain).filter { $0.1 <= limit }.map(\.0)
        let first = Array(prompts.prefix(firstPrompts))
        progress("\(Self.grid.count) points on \(first.count) prompts")
        let coarse = try await divergences(Self.grid, first, cache)
        let best = Self.grid.sorted { (coarse[$0] ?? 0, $0) < (coarse[$1] ?? 0, $1) }.prefix(3)
        let fine = Array(Set(best.flatMap(\.neighbours) + [.plain]))
        progress("\(fine.count) points on \(prompts.count) prompts")
        let all = try await divergences(fine, prompts, cache)
        await cache.letGo()
        guard let winner = fine.min(by: { (all[$0] ?? 0, $0) < (all[$1] ?? 0, $1) }) else {
            throw TesseraError(.invalidInput, "there is nothing to calibrate")
        }
        return ParallelSettings(
            temperature: Double(winner.temperature) / 20, scale: Double(winner.scale) / 20, kl: all[winner] ?? 0,
            plainKL: all[.plain] ?? 0, prompts: prompts.count)
    }

    /// The mean divergence of each point over prompts.
    private func divergences(
        _ points: [Point], _ prompts: [Prompt], _ cache: ContextCache
    ) async throws -> [Point: Double] {
        var sums: [Point: Double] = [:]
        for prompt in prompts {
            try Task.checkCancellation()
            try await cache.hold(prompt)
            let options = AnswerOptions(assembly: .exact, maximumTokens: answerTokens, keepsMisses: false)
            let answer = try await cache.answer(prompt, options: options).tokens
            let exact = try await cache.logits(of: prompt, along: answer, assembly: .exact).logits
            for point in points {
                let logits = try await cache.logits(of: prompt, along: answer, assembly: point.assembly).logits
                sums[point, default: 0] += meanDivergence(from: exact, to: logits, vocabulary: cache.model.vocabulary)
            }
        }
        return sums.mapValues { $0 / Double(max(1, prompts.count)) }
    }
}

extension ParallelCalibration.Point: Comparable {
    /// Of points that are as good, the one nearest to plain attention comes first.
    static func < (a: Self, b: Self) -> Bool {
        func distance(_ p: Self) -> Int { abs(p.temperature - 20) + abs(p.scale - 20) }
        return (distance(a), a.temperature, a.scale) < (distance(b), b.temperature, b.scale)
    }
}
