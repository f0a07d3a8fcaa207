// SPDX-License-Identifier: Apache-2.0

import TesseraCompression
import TesseraKV
import TesseraTestSupport
import Testing

struct `budgets of layers` {
    let goldens = PressGoldens.all.budgets

    /// Scores that nobody looks at, of so many layers.
    func scores(_ layers: Int, _ tokens: Int) -> [TokenScores] {
        Array(repeating: TokenScores(shared: Array(repeating: 0, count: tokens)), count: layers)
    }

    @Test func `by eviction error: CompressKV's worked vectors`() throws {
        func counts(_ errors: [Double]) throws -> [Int] {
            try ErrorBudget(errors: errors).counts(mean: 128, tokens: 4000, scores: scores(4, 4000))
        }
        #expect(try counts([0.1, 0.2, 0.3, 0.4]) == [70, 109, 147, 186])
        #expect(try counts([0.9, 0.05, 0.03, 0.02]) == [378, 51, 44, 39])
    }

    @Test func `by eviction error, pyramid and threshold are those of the formulas`() throws {
        for golden in goldens.error {
            let budget = ErrorBudget(errors: golden.errors, least: golden.least, most: 3)
            let scores = scores(golden.errors.count, golden.tokens)
            #expect(try budget.counts(mean: golden.mean, tokens: golden.tokens, scores: scores) == golden.counts)
        }
        for golden in goldens.pyramid {
            let budget = PyramidBudget(steepness: golden.steepness, window: golden.window)
            let scores = scores(golden.layers, golden.tokens)
            #expect(try budget.counts(mean: golden.mean, tokens: golden.tokens, scores: scores) == golden.counts)
        }
        let kvzip = try PressGoldens.all.views(of: "grouped", budget: 24).map { try KVzipPress().scores(of: $0) }
        for golden in goldens.threshold {
            let budget = ThresholdBudget(least: golden.least)
            #expect(budget.counts(mean: golden.mean, tokens: 64, scores: kvzip) == golden.counts)
        }
    }

    @Test func `of every kind add up to the mean and lie between 1 and all tokens`() throws {
        var random = SplitMix64(seed: 3)
        for _ in 0..<400 {
            let layers = Int.random(in: 1...9, using: &random)
            let costs = random.costs(layers: layers)
            let tokens = Int.random(in: 1...80, using: &random)
            let mean = Int.random(in: 1...tokens, using: &random)
            let scores = random.scores(layers: layers, heads: 2, tokens: tokens)
            let errors = evictionErrors([(0..<layers).map { _ in pow4(Double.random(in: 0...1, using: &random)) }])
            let least = Int.random(in: 1...mean, using: &random)
            let budgets: [any LayerBudget] = [
                UniformBudget(),
                ErrorBudget(errors: errors, least: least, most: Int.random(in: 1...9, using: &random)),
                CostBudget(costs: costs, least: least),
                PyramidBudget(
                    steepness: Int.random(in: 1...30, using: &random), window: Int.random(in: 0..<mean, using: &random)),
                ThresholdBudget(least: Int.random(in: 0...20, using: &random)),
            ]
            for budget in budgets {
                let counts = try budget.counts(mean: mean, tokens: tokens, scores: scores)
                #expect(counts.count == layers && counts.reduce(0, +) == layers * mean, "\(budget.name)")
                #expect(counts.allSatisfy { (1...tokens).contains($0) }, "\(budget.name): \(counts)")
            }
        }
    }

    @Test func `by eviction error lie between m and M, and rise with the error`() throws {
        var random = SplitMix64(seed: 4)
        for _ in 0..<200 {
            let errors = evictionErrors([(0..<8).map { _ in pow4(Double.random(in: 0...1, using: &random)) }])
            let mean = Int.random(in: 32...200, using: &random)
            let tokens = Int.random(in: mean...700, using: &random)
            let (least, most) = (Int.random(in: 1...32, using: &random), Int.random(in: 1...8, using: &random))
            let counts = try ErrorBudget(errors: errors, least: least, most: most)
                .counts(mean: mean, tokens: tokens, scores: scores(8, tokens))
            #expect(counts.allSatisfy { (least...min(most * mean, tokens)).contains($0) })
            let rising = errors.indices.sorted { errors[$0] < errors[$1] }.map { counts[$0] }
            // Rounding hands out single tokens, which may put a neighbour ahead by one.
            #expect(zip(rising, rising.dropFirst()).allSatisfy { $0 <= $1 + 1 }, "\(rising)")
        }
    }

    @Test func `by eviction error refuse a mean below m, other models' errors, and what is no share`() {
        func refused(_ errors: [Double], least: Int = 32, most: Int = 3, mean: Int = 128, _ word: String) {
            expectRefusal(.invalidInput, word) {
                try ErrorBudget(errors: errors, least: least, most: most).counts(
                    mean: mean, tokens: 400, scores: scores(2, 400))
            }
        }
        refused([0.5, 0.5], mean: 31, "at least 32 tokens")
        refused([0.5, 0.5], least: 0, "at least 1 token")
        refused([0.5, 0.5], most: 0, "1 or more times the mean")
        refused([0.5, 0.25, 0.25], "layers don't fit a model of 2")
        for errors in [[1e300, 0], [2, -1], [.nan, 1], [0, 0], [.infinity, 1]] { refused(errors, "add up to 1") }
    }

    @Test func `by eviction cost give the next token to whom it saves most`() throws {
        func counts(_ layers: [[Double]], mean: Int, tokens: Int = 100, least: Int = 5) throws -> [Int] {
            try CostBudget(costs: EvictionCosts(shares: [0.1, 0.4], layers: layers), least: least)
                .counts(mean: mean, tokens: tokens, scores: scores(layers.count, tokens))
        }
        // The first layer saves 0.02 a token up to 40 tokens, then 0.002; the second 0.004, then 0.001.
        let costs = [[0.72, 0.12], [0.18, 0.06]]
        #expect(try counts(costs, mean: 5) == [5, 5])
        #expect(try counts(costs, mean: 20) == [35, 5])
        #expect(try counts(costs, mean: 30) == [40, 20])
        #expect(try counts(costs, mean: 45) == [50, 40])
        #expect(try counts(costs, mean: 90) == [100, 80])
        #expect(try counts(costs, mean: 100) == [100, 100])
        // Ten times the tokens, ten times the counts.
        #expect(try counts(costs, mean: 300, tokens: 1000, least: 50) == [400, 200])
        // What saves nothing is spread evenly.
        #expect(try counts([[0, 0], [0, 0], [0, 0]], mean: 20) == [20, 20, 20])
        #expect(try counts([[0.9, 0], [0, 0], [0, 0]], mean: 50) == [74, 38, 38])
        // A cost that rises on the way is bridged.
        #expect(try counts([[0.5, 1], [0.45, 0]], mean: 40) == [40, 40])
    }

    @Test func `by eviction cost are of all counts those that cost least`() throws {
        var random = SplitMix64(seed: 6)
        for _ in 0..<100 {
            let costs = random.costs(layers: 3)
            let tokens = 4 * Int.random(in: 2...5, using: &random)
            let mean = Int.random(in: 2...tokens, using: &random)
            let counts = try CostBudget(costs: costs, least: 2).counts(
                mean: mean, tokens: tokens, scores: scores(3, tokens))
            func cost(_ counts: [Int]) -> Double {
                zip(counts, costs.layers).reduce(0) { $0 + Self.cost($1.0, of: tokens, $1.1) }
            }
            var best = Double.infinity
            for first in 2...tokens {
                for second in 2...tokens where (2...tokens).contains(3 * mean - first - second) {
                    best = min(best, cost([first, second, 3 * mean - first - second]))
                }
            }
            #expect(abs(cost(counts) - best) < 1e-9, "\(costs), \(mean) of \(tokens)")
        }
    }

    /// The convex cost of some tokens of a layer with costs at a quarter and at half of them, the first piece drawn down to
    /// nothing.
    private static func cost(_ count: Int, of tokens: Int, _ costs: [Double]) -> Double {
        let share = Double(count) / Double(tokens)
        let bridge = costs[0] * (1 - share) / 0.75
        let first = costs[1] + (costs[0] - costs[1]) * (0.5 - share) / 0.25
        let second = costs[1] * (1 - share) / 0.5
        return costs[1] < costs[0] / 1.5 ? max(first, second) : bridge
    }

    @Test func `by eviction cost refuse a mean below the least, other models' costs, and what contradicts itself`() {
        func refused(
            _ layers: [[Double]], shares: [Double] = [0.1, 0.5], least: Int = 16, mean: Int = 40, _ word: String
        ) {
            expectRefusal(.invalidInput, word) {
                try CostBudget(costs: EvictionCosts(shares: shares, layers: layers), least: least)
                    .counts(mean: mean, tokens: 400, scores: scores(2, 400))
            }
        }
        refused([[1, 0.5], [1, 0.5]], mean: 15, "raise --budget")
        refused([[1, 0.5], [1, 0.5]], least: 0, "at least 1 token")
        refused([[1, 0.5]], "1 layers don't fit a model of 2")
        for bad in [[1], [1, 0.5, 0], [-1, 0], [.nan, 0], [1.5, 0]] { refused([[1, 0.5], bad], "contradict") }
        for shares in [[0.5, 0.1], [0.1, 0.1], [0, 0.5], [0.1, 1], [.nan, 0.5]] {
            refused([[1, 0.5], [1, 0.5]], shares: shares, "contradict")
        }
        refused([[], []], shares: [], "contradict")
    }

    @Test func `of a pyramid fall from layer to layer and hold the window and one token more, also of few tokens`()
        throws
    {
        var random = SplitMix64(seed: 5)
        for _ in 0..<400 {
            let window = Int.random(in: 0...10, using: &random)
            let tokens = Int.random(in: window + 1...window + 40, using: &random)
            let mean = Int.random(in: window + 1...tokens, using: &random)
            let layers = Int.random(in: 1...12, using: &random)
            let counts = try PyramidBudget(steepness: Int.random(in: 1...25, using: &random), window: window)
                .counts(mean: mean, tokens: tokens, scores: scores(layers, tokens))
            #expect(zip(counts, counts.dropFirst()).allSatisfy { $0 >= $1 }, "\(counts)")
            #expect(counts.allSatisfy { (window + 1...tokens).contains($0) }, "\(counts)")
        }
    }

    @Test func `of a pyramid refuse what does not hold the window, and options out of range`() {
        for mean in [1, 16] {
            expectRefusal(.invalidInput, "the window of 16", "--budget") {
                try PyramidBudget().counts(mean: mean, tokens: 100, scores: scores(3, 100))
            }
        }
        expectRefusal(.invalidInput, "the window of \(Int.max)") {
            try PyramidBudget(window: .max).counts(mean: 9, tokens: 100, scores: scores(3, 100))
        }
        for budget in [PyramidBudget(steepness: 0), PyramidBudget(window: -1)] {
            expectRefusal(.invalidInput, "steepness of 1 or more") {
                try budget.counts(mean: 9, tokens: 100, scores: scores(3, 100))
            }
        }
    }

    @Test func `of a threshold go to the layers that score highest, and always hold what is protected`() {
        let low = TokenScores(shared: (0..<40).map { Float($0) })
        let high = TokenScores(shared: (0..<40).map { 100 + Float($0) })
        #expect(ThresholdBudget(least: 16).counts(mean: 20, tokens: 40, scores: [low, high]) == [16, 24])
        #expect(ThresholdBudget(least: 16).counts(mean: 5, tokens: 40, scores: [low, high]) == [5, 5])
        #expect(ThresholdBudget(least: 16).counts(mean: 3, tokens: 3, scores: [low, high]) == [3, 3])
        #expect(ThresholdBudget(least: -4).counts(mean: 20, tokens: 40, scores: [low, high]) == [1, 39])
        var guarded = low
        guarded.protect(0..<20)
        #expect(ThresholdBudget(least: 4).counts(mean: 21, tokens: 40, scores: [guarded, high])[0] >= 20)
        #expect(ThresholdBudget(least: 4).counts(mean: 20, tokens: 40, scores: [low, low]) == [20, 20])
    }

    @Test func `count a token of a threshold by its best head`() {
        let split = TokenScores(heads: [[9, 0, 0, 0], [0, 9, 0, 0]])
        let even = TokenScores(heads: [[5, 5, 5, 5], [5, 5, 5, 5]])
        #expect(ThresholdBudget(least: 1).counts(mean: 2, tokens: 4, scores: [split, even]) == [2, 2])
        #expect(ThresholdBudget(least: 1).counts(mean: 3, tokens: 4, scores: [split, even]) == [2, 4])
    }

    private func pow4(_ number: Double) -> Double { number * number * number * number }
}

extension SplitMix64 {
    /// Costs of layers at two shares, most of them falling.
    fileprivate mutating func costs(layers: Int) -> EvictionCosts {
        EvictionCosts(
            shares: [0.25, 0.5],
            layers: (0..<layers).map { _ in
                let first = Double.random(in: 0...1, using: &self)
                return [first, min(1, first * Double.random(in: 0...1.2, using: &self))]
            })
    }
}
