// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Tessera
import TesseraReuse

/// How a prompt's KV comes about, as options.
struct AssemblyOptions: ParsableArguments {
    enum AssemblyName: String, ExpressibleByArgument, CaseIterable { case exact, stitched, parallel }
    enum SelectorName: String, ExpressibleByArgument, CaseIterable {
        case none, firstK, storedScore, deviation, deviationAttention, question, random, all
    }

    @Option(
        help: ArgumentHelp(
            "exact computes everything that is no true prefix; stitched reuses chunks anywhere; parallel sets them side by side.",
            discussion: "Without it, ask takes what the model's quality gate has passed, and logits takes stitched."))
    var assembly: AssemblyName?

    @Option(help: "What picks the tokens of reused chunks that are computed anew.")
    var selector: SelectorName?

    @Option(
        help: """
            The share of reused tokens that selectors pick, 0 to 1; none, firstK and all pick their own number. By default \
            0.15.
            """)
    var ratio: Double?

    @Option(
        help:
            "The layer in which deviation is measured, 1 or more; a higher one costs more and may see more. By default 1."
    )
    var checkLayer: Int?

    @Option(help: "What deviation compares: values or keys. By default values.")
    var compare: Compared?

    @Flag(help: "Let deviation narrow its choice from layer to layer.")
    var gradual = false

    @Option(name: .customLong("k"), help: "How many tokens of each chunk firstK picks. By default 2.")
    var count: Int?

    @Option(help: "Cache-Craft's alpha: storedScore gives each chunk its own budget, in the place of --ratio.")
    var alpha: Double?

    @Option(
        help:
            "What storedScore ranks by: peak, the most outward head, or mean, Cache-Craft's mean over heads and layers. By default peak."
    )
    var score: Score?

    @Flag(help: "storedScore stops for chunks that the question does not look at.")
    var focus = false

    @Option(
        help: "How many stale tokens deviationAttention computes anew before each token of the answer. By default 0.")
    var repairs: Int?

    @Option(
        help:
            "Which stored KV of a chunk is used: best takes the one that fits its place best, isolated the one that was encoded alone, contextual one that was encoded behind others. By default best for storedScore."
    )
    var variants: Variants?

    @Option(
        help: "Parallel contexts: the temperature of attention to them. By default what calibrate measured, else 1.")
    var contextTemperature: Double?

    @Option(help: "Parallel contexts: the scale of attention to them. By default what calibrate measured, else 1.")
    var contextScale: Double?

    @Option(help: "The seed of random selection and of sampling.")
    var seed: UInt64 = 0

    enum Score: String, ExpressibleByArgument, CaseIterable { case mean, peak }
    enum Compared: String, ExpressibleByArgument, CaseIterable { case values, keys }
    enum Variants: String, ExpressibleByArgument, CaseIterable { case best, isolated, contextual }

    func validate() throws {
        guard (0...1).contains(ratio ?? 0) else { throw ValidationError("--ratio is between 0 and 1") }
        guard checkLayer ?? 1 >= 1 else { throw ValidationError("--check-layer is 1 or more") }
        guard count ?? 0 >= 0 else { throw ValidationError("--k is 0 or more") }
        guard repairs ?? 0 >= 0 else { throw ValidationError("--repairs is 0 or more") }
        guard alpha.map({ $0 >= 0 && $0.isFinite }) ?? true else { throw ValidationError("--alpha is 0 or more") }
        for (name, value) in [("--context-temperature", contextTemperature), ("--context-scale", contextScale)] {
            guard let value else { continue }
            guard value > 0, value.isFinite else { throw ValidationError("\(name) is above 0") }
            guard assembly == .parallel else { throw ValidationError("\(name) is for --assembly parallel") }
        }
        guard assembly ?? .stitched == .stitched || selector == nil else {
            throw ValidationError("--selector is for --assembly stitched")
        }
        try validateUses()
    }

    /// Refuses options that the chosen selector would pass over without a word.
    private func validateUses() throws {
        for use in uses where use.isGiven {
            guard assembly == .stitched || selector != nil else {
                throw ValidationError("\(use.option) wants --selector, or --assembly stitched")
            }
            guard use.selectors.contains(selected) else {
                let names = use.selectors.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("\(use.option) is for --selector \(names); \(selected) does not take it")
            }
        }
    }

    /// The selectors that each option means something to.
    private var uses: [(option: String, isGiven: Bool, selectors: [SelectorName])] {
        [
            ("--ratio", ratio != nil, [.storedScore, .deviation, .deviationAttention, .question, .random]),
            ("--check-layer", checkLayer != nil, [.deviation, .deviationAttention]),
            ("--compare", compare != nil, [.deviation]), ("--gradual", gradual, [.deviation]),
            ("--repairs", repairs != nil, [.deviationAttention]), ("--k", count != nil, [.firstK]),
            ("--alpha", alpha != nil, [.storedScore]), ("--score", score != nil, [.storedScore]),
            ("--focus", focus, [.storedScore]), ("--variants", variants != nil, SelectorName.allCases),
        ]
    }

    /// The assembly that was chosen; nil where none was.
    func value(on cache: ContextCache) async -> Assembly? {
        switch assembly {
        case .exact: return .exact
        case .parallel: return await parallel(on: cache)
        case .stitched: return stitched
        case nil: return selector == nil ? nil : stitched
        }
    }

    private var stitched: Assembly {
        .stitched(chosen, ratio: ratio ?? 0.15, variants: use)
    }

    private var use: VariantUse {
        switch variants {
        case .best: .best
        case .isolated: .isolated
        case .contextual: .contextual
        case nil: selector == .storedScore ? .best : .isolated
        }
    }

    private var selected: SelectorName { selector ?? .deviation }

    private var chosen: Selector {
        switch selected {
        case .none: .none
        case .firstK: .firstK(count: count ?? 2)
        case .storedScore:
            .storedScore(StoredScore(alpha: alpha, score: score == .mean ? .mean : .peak, focuses: focus))
        case .deviation:
            .deviation(
                layer: checkLayer ?? Selector.firstCheckLayer, of: compare == .keys ? .keys : .values, gradual: gradual)
        case .deviationAttention:
            .deviationAttention(layer: checkLayer ?? Selector.firstCheckLayer, repairs: repairs ?? 0)
        case .question: .question
        case .random: .random(seed: seed)
        case .all: .all
        }
    }

    private func parallel(on cache: ContextCache) async -> Assembly {
        let measured = contextTemperature == nil || contextScale == nil ? await cache.parallelSettings() : nil
        return .parallel(
            temperature: contextTemperature ?? measured?.temperature ?? 1, scale: contextScale ?? measured?.scale ?? 1)
    }
}
