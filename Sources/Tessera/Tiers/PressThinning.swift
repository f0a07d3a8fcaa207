// SPDX-License-Identifier: Apache-2.0

internal import TesseraCompression
internal import TesseraKV
internal import TesseraStore

/// Lets a press choose the tokens of a stored chunk that stay, from its keys and values alone.
///
/// Keys are stored before RoPE, so a press sees them as they would be at position 0. LagKV (arXiv 2504.04704) and KeyDiff
/// (arXiv 2504.15364) score keys behind RoPE; before it, two tokens are as alike as what they say, wherever they stand.
/// LagKV's partitions are of 32 tokens in the place of 128: it keeps the last one and what follows whole, which would be the
/// better half of a chunk of 512.
struct PressThinning: TokenThinning {
    /// The tokens of a partition of LagKV.
    private static let lag = 32

    /// With one set of tokens for all layers.
    private let plan: PressPlan

    /// - Parameter keep: How many tokens stay.
    init(_ name: String, keep: PressBudget) throws(TesseraError) {
        try keep.validate()
        guard ColdTier.presses.contains(name) else {
            let others = ColdTier.presses.joined(separator: ", ")
            throw TesseraError(
                .invalidInput,
                PressCatalog.names.contains(name)
                    ? "\(name) needs the model at work, and a store has keys and values alone; choose one of \(others)"
                    : "there is no press “\(name)”; those that work on stored chunks are \(others)")
        }
        var plan = try PressCatalog.plan(named: name, budget: keep, assets: nil)
        plan.agreement = .prompt
        if var protecting = plan.press as? Protecting, protecting.base is LagKVPress {
            protecting.base = LagKVPress(lag: Self.lag)
            plan.press = protecting
        }
        self.plan = plan
        if case .tokens(let count) = keep, count <= protected {
            throw TesseraError(
                .invalidInput,
                "\(name) keeps the \(protected) tokens that are protected in any case; \(count) leave nothing to choose"
            )
        }
    }

    var name: String { "\(plan.name):\(plan.budget.label.filter { $0 != " " })" }

    var share: Double {
        switch plan.budget {
        case .share(let share): share
        case .tokens(let count): min(1, Double(count) / Double(ColdForm.nominalTokens))
        }
    }

    func count(of tokens: Int) -> Int? {
        guard let count = try? plan.budget.count(of: tokens), count < tokens, tokens >= leastTokens,
            count > min(tokens, protected)
        else { return nil }
        return count
    }

    func kept(
        of tokens: Int, layout: KVLayout,
        layer: (Int) throws(TesseraError) -> (keys: [Float], values: [Float])
    ) throws(TesseraError) -> [Int]? {
        guard let count = count(of: tokens) else { return nil }
        let rotary = RotaryTable(
            dimensions: layout.headDimension / 2 * 2, base: 10_000, pairing: .interleaved)
        var scores: [TokenScores] = []
        for index in 0..<layout.layers {
            let (keys, values) = try layer(index)
            scores.append(
                try plan.press.scores(
                    of: LayerView(
                        layer: index, queryHeads: layout.heads, layout: layout, rotary: rotary,
                        positions: Array(repeating: 0, count: tokens), budget: count,
                        segments: [PressSegment(0..<tokens, .text)], keys: keys, values: values)))
        }
        return try plan.keep(scores).layers.first?.first
    }

    /// The tokens that stay whatever they score: a chunk that would keep no more than these is too short to choose from.
    private var protected: Int {
        switch plan.press {
        case let press as Protecting: press.first + press.last
        case let press as StreamingLLMPress: press.sinks
        default: 0
        }
    }

    /// The least tokens that the press tells apart.
    private var leastTokens: Int {
        ((plan.press as? Protecting)?.base as? LagKVPress).map { $0.sinks + 2 * $0.lag } ?? 1
    }
}
