// SPDX-License-Identifier: Apache-2.0

import TesseraCompression
import TesseraKV
import TesseraTestSupport
import Testing

struct `a plan` {
    func plan(_ budget: Int, _ agreement: PressPlan.Agreement = .scored) -> PressPlan {
        PressPlan(FixedPress(), budget: .tokens(budget), agreement: agreement)
    }

    @Test func `keeps ascending sets of exactly the tokens that the budget names, the best of each head`() throws {
        var random = SplitMix64(seed: 21)
        for _ in 0..<200 {
            let (layers, heads) = (Int.random(in: 1...4, using: &random), Int.random(in: 1...4, using: &random))
            let tokens = Int.random(in: 1...50, using: &random)
            let budget = Int.random(in: 1...tokens, using: &random)
            let scores = random.scores(layers: layers, heads: heads, tokens: tokens)
            let kept = try plan(budget).keep(scores)
            #expect(kept.tokens == tokens && kept.layers.count == layers)
            for (scores, sets) in zip(scores, kept.layers) {
                #expect(sets.count == heads)
                for (head, set) in zip(scores.heads, sets) {
                    #expect(set.count == budget && zip(set, set.dropFirst()).allSatisfy { $0 < $1 })
                    let left = Set(head.indices).subtracting(set)
                    #expect(set.map { head[$0] }.min() ?? 0 >= left.map { head[$0] }.max() ?? -.infinity)
                }
            }
        }
    }

    @Test func `with a layer's agreement keeps one set per layer, with the prompt's one set for all`() throws {
        var random = SplitMix64(seed: 22)
        for _ in 0..<50 {
            let scores = random.scores(layers: 3, heads: 4, tokens: 30)
            let layer = try plan(10, .layer).keep(scores)
            let prompt = try plan(10, .prompt).keep(scores)
            #expect(layer.layers.allSatisfy { $0.count == 1 && $0[0].count == 10 })
            #expect(Set(prompt.layers).count == 1 && prompt.layers[0].count == 1 && prompt.layers[0][0].count == 10)
            #expect(layer == (try plan(10).keep(scores.map { $0.shared(.mean) })))
        }
    }

    @Test func `agrees as the press reduces its scores`() throws {
        let scores = [TokenScores(heads: [[9, 5, 0], [-9, 5, 0]])]
        #expect(try plan(1, .layer).keep(scores).layers == [[[1]]])
        let maximum = PressPlan(FixedPress(reduction: .maximum), budget: .tokens(1), agreement: .layer)
        #expect(try maximum.keep(scores).layers == [[[0]]])
    }

    @Test func `with the prompt's agreement gives every layer the mean, whatever the budget of layers says`() throws {
        var random = SplitMix64(seed: 23)
        let scores = random.scores(layers: 3, heads: 1, tokens: 60)
        var plan = PressPlan(FixedPress(), budget: .tokens(20), layers: PyramidBudget())
        #expect(try plan.keep(scores).layers.map { $0[0].count } != [20, 20, 20])
        plan.agreement = .prompt
        #expect(try plan.keep(scores).layers.map { $0[0].count } == [20, 20, 20])
    }

    @Test func `keeps the same share whatever budget of layers it has`() throws {
        var random = SplitMix64(seed: 24)
        let scores = random.scores(layers: 5, heads: 2, tokens: 100)
        let budgets: [any LayerBudget] = [
            UniformBudget(), PyramidBudget(), ThresholdBudget(), ErrorBudget(errors: [0.4, 0.3, 0.1, 0.1, 0.1]),
            CostBudget(costs: EvictionCosts(shares: [0.2], layers: [[0.4], [0.3], [0.1], [0.1], [0.1]])),
        ]
        for layers in budgets {
            for agreement in [PressPlan.Agreement.scored, .layer, .prompt] {
                let plan = PressPlan(FixedPress(), budget: .tokens(40), layers: layers, agreement: agreement)
                #expect(try plan.keep(scores).share == 0.4, "\(layers.name)")
            }
        }
    }

    @Test func `of equal scores keeps the later tokens`() throws {
        let scores = [TokenScores(shared: [1, 0, 0, 0, 1, 0])]
        #expect(try plan(4).keep(scores).layers == [[[0, 3, 4, 5]]])
        #expect(try plan(1).keep(scores).layers == [[[4]]])
        let none = [TokenScores(shared: Array(repeating: -.infinity, count: 4))]
        #expect(try plan(2).keep(none).layers == [[[2, 3]]])
    }

    @Test func `keeps what it keeps when scores are shifted and stretched, and more of it for a larger budget`() throws
    {
        var random = SplitMix64(seed: 25)
        let scores = random.scores(layers: 2, heads: 2, tokens: 40)
        let stretched = scores.map { TokenScores(heads: $0.heads.map { $0.map { 4 * $0 + 8 } }) }
        var smaller = try plan(1).keep(scores)
        for budget in 2...40 {
            let kept = try plan(budget).keep(scores)
            #expect(kept == (try plan(budget).keep(stretched)))
            for (sets, others) in zip(smaller.layers, kept.layers) {
                #expect(zip(sets, others).allSatisfy { Set($0).isStrictSubset(of: $1) })
            }
            smaller = kept
        }
    }

    @Test func `always keeps protected tokens, and refuses a budget that does not hold them, naming the layer`() throws
    {
        var random = SplitMix64(seed: 26)
        for agreement in [PressPlan.Agreement.scored, .layer, .prompt] {
            var scores = random.scores(layers: 3, heads: 2, tokens: 30)
            scores[1].protect([0, 4, 7, 20, 29])
            let kept = try plan(5, agreement).keep(scores)
            #expect(kept.layers[1].allSatisfy { $0 == [0, 4, 7, 20, 29] })
            expectRefusal(
                .invalidInput, "a budget of 4 tokens", "layer \(agreement == .prompt ? 0 : 1)", "the 5", "--budget"
            ) { try plan(4, agreement).keep(scores) }
        }
    }

    @Test func `refuses a budget beyond the tokens, scores that are no numbers, and an empty prompt`() {
        var random = SplitMix64(seed: 27)
        let scores = random.scores(layers: 3, heads: 2, tokens: 5)
        expectRefusal(.invalidInput, "a budget of 6 tokens exceeds the 5") { try plan(6).keep(scores) }
        expectRefusal(.invalidInput, "0 tokens keeps nothing") { try plan(0).keep(scores) }
        for agreement in [PressPlan.Agreement.scored, .layer, .prompt] {
            var scores = scores
            scores[2] = TokenScores(heads: [[0, 0, 0, 0, 0], [0, 0, .nan, 0, 0]])
            expectRefusal(.invalidInput, "fixed can't score layer 2", "not all finite") {
                try plan(2, agreement).keep(scores)
            }
        }
        expectRefusal(.invalidInput, "no tokens") { try plan(1).keep([]) }
        expectRefusal(.invalidInput, "no tokens") { try plan(1).keep([TokenScores(shared: [])]) }
    }

    @Test func `has its press's name unless it has one of its own, and says whether values are merged`() throws {
        var plan = PressPlan(FixedPress(), budget: .share(0.5), merges: true)
        #expect(plan.name == "fixed")
        #expect(try plan.keep([TokenScores(shared: [1, 2])]).merges)
        plan.merges = false
        #expect(try !plan.keep([TokenScores(shared: [1, 2])]).merges)
        #expect(PressPlan(FixedPress(), budget: .share(1), name: "paper").name == "paper")
    }
}

struct `kept tokens` {
    @Test func `are counted by layer, and their share over all layers`() throws {
        let kept = try KeptTokens(tokens: 4, layers: [[[0, 3], [1, 2]], [[3]]])
        #expect(kept.count(of: 0) == 2 && kept.count(of: 1) == 1 && kept.share == 3.0 / 8)
        #expect(try KeptTokens(tokens: 4, layers: []).share == 0)
    }

    @Test func `are refused where they are none, of different counts, not ascending or beyond the tokens`() {
        func refused(_ sets: [[Int]], _ word: String) {
            expectRefusal(.invalidInput, "layer 1", word) { try KeptTokens(tokens: 4, layers: [[[0]], sets]) }
        }
        refused([], "no tokens to keep")
        refused([[]], "no tokens to keep")
        refused([[0, 1], [2]], "not as many in each KV head")
        for set in [[1, 0], [1, 1], [-1, 0], [3, 4], [4]] {
            refused([[0, 1].suffix(set.count), set], "ascending part of the 4")
        }
    }
}

struct `a budget` {
    @Test func `is read as tokens or as a share, and written so`() throws {
        #expect(try PressBudget("256") == .tokens(256) && PressBudget("256").label == "256")
        #expect(try PressBudget("20%") == .share(0.2) && PressBudget("20%").label == "20 %")
        #expect(try PressBudget("2.5%") == .share(0.025) && PressBudget("2.5%").label == "2.5 %")
        #expect(try PressBudget("100%") == .share(1))
    }

    @Test(arguments: ["x", "", "%", "x%", "20 %", "0.2", "1e3", "20%%", " 5", "+5", "+50%", "99999999999999999999"])
    func `is refused where it is neither`(_ text: String) {
        expectRefusal(.invalidInput, "“\(text)”", "256, 20%") { try PressBudget(text) }
    }

    @Test func `is refused where no prompt can keep it`() {
        for text in ["0", "-3"] { expectRefusal(.invalidInput, text, "keeps nothing") { try PressBudget(text) } }
        for text in ["0%", "120%", "-5%", "nan%", "inf%", "1e-400%"] {
            expectRefusal(.invalidInput, "above 0 % and at most 100 %") { try PressBudget(text) }
        }
    }

    @Test func `of a share is rounded down, though never to nothing`() throws {
        #expect(try PressBudget.share(0.2).count(of: 64) == 12 && PressBudget.share(0.2).count(of: 65) == 13)
        #expect(try PressBudget.share(0.01).count(of: 64) == 1 && PressBudget.share(1).count(of: 64) == 64)
        for percent in 1...100 {
            #expect(try PressBudget("\(percent)%").count(of: 100) == percent, "not one less by rounding")
        }
    }
}

struct `segments of a prompt` {
    func validate(_ segments: [PressSegment], tokens: Int = 10) throws { try segments.validate(tokens: tokens) }

    @Test func `follow each other and cover it`() throws {
        try validate([PressSegment(0..<10, .text)])
        try validate([PressSegment(0..<3, .text), PressSegment(3..<7, .frame), PressSegment(7..<10, .frame)])
        try validate([], tokens: 0)
    }

    @Test func `are refused where they overlap, leave a gap, are empty or end elsewhere`() {
        func refused(_ words: (String, String), _ segments: PressSegment...) {
            expectRefusal(.invalidInput, words.0, words.1) { try validate(segments) }
        }
        refused(("frame segment 2..<10", "overlaps"), PressSegment(0..<3, .text), PressSegment(2..<10, .frame))
        refused(("text segment 4..<10", "gap"), PressSegment(0..<3, .frame), PressSegment(4..<10, .text))
        refused(("text segment 1..<10", "gap"), PressSegment(1..<10, .text))
        refused(("frame segment 3..<3", "empty"), PressSegment(0..<3, .text), PressSegment(3..<3, .frame))
        refused(("end at token 9", "of 10"), PressSegment(0..<9, .text))
        refused(("end at token 11", "of 10"), PressSegment(0..<11, .text))
        refused(("end at token 0", "of 10"))
    }
}
