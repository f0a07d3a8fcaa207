// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraCompression

/// Prompts, shapes and options at the edges: a press judges them or refuses them, and never ends the process.
struct `presses on odd input` {
    static let shapes = [
        ViewShape(tokens: 1), ViewShape(tokens: 2), ViewShape(tokens: 7), ViewShape(tokens: 8), ViewShape(tokens: 9),
        ViewShape(tokens: 300), ViewShape(tokens: 40, window: 1), ViewShape(tokens: 40, window: 3),
        ViewShape(tokens: 40, heads: 4), ViewShape(tokens: 40, heads: 1), ViewShape(tokens: 40, rotated: 4),
        ViewShape(tokens: 40, rotated: 0), ViewShape(tokens: 40, dimension: 1, rotated: 0),
        ViewShape(tokens: 40, dimension: 2, rotated: 2),
    ]

    @Test(arguments: shapes) func `score every token, and everything is kept where the budget is everything`(
        _ shape: ViewShape
    ) throws {
        for press in try PressCatalog.presses() {
            let segments = press.needs.frames ? [PressSegment(0..<shape.tokens, .frame)] : nil
            let scores = try (0..<3).map {
                try press.scores(of: shape.view(layer: $0, budget: shape.tokens, segments: segments))
            }
            #expect(scores.allSatisfy { $0.tokens == shape.tokens && [1, shape.heads].contains($0.heads.count) })
            for agreement in [PressPlan.Agreement.scored, .layer, .prompt] {
                let kept = try PressPlan(press, budget: .share(1), agreement: agreement).keep(scores)
                #expect(kept.share == 1, "\(press.name)")
            }
        }
    }

    @Test func `keep the window, as far as there is one, and refuse budgets that don't hold it`() throws {
        for window in [1, 3, 8] {
            let shape = ViewShape(tokens: 30, window: window)
            for press in try PressCatalog.presses() where press.needs.window > 0 {
                let views = (0..<3).map { shape.view(layer: $0, budget: 9, segments: shape.frames) }
                let scores = try views.map { try press.scores(of: $0) }
                let kept = try PressPlan(press, budget: .tokens(9)).keep(scores)
                let last = Set(30 - window..<30)
                #expect(kept.layers.allSatisfy { $0.allSatisfy { last.isSubset(of: $0) } }, "\(press.name)")
                guard window > 1 else { continue }
                expectRefusal(.invalidInput, "layer 0", "the \(window) that are protected") {
                    try PressPlan(press, budget: .tokens(window - 1)).keep(scores)
                }
            }
        }
    }

    @Test func `refuse a window of none, and a smoothing that has no middle`() {
        let view = ViewShape(tokens: 30, window: 0).view(segments: ViewShape(tokens: 30).frames)
        let heads = [[0], [0], [0]]
        for press in [SnapKVPress(), CompressKVPress(heads: heads), GUIKVPress()] as [any Press] {
            expectRefusal(.invalidInput, press.name, "1 token or more") { try press.scores(of: view) }
        }
        let whole = ViewShape(tokens: 30).view(segments: ViewShape(tokens: 30).frames)
        for kernel in [0, -1, 4] {
            let presses: [any Press] = [
                SnapKVPress(kernel: kernel), CompressKVPress(heads: heads, kernel: kernel), GUIKVPress(kernel: kernel),
            ]
            for press in presses {
                expectRefusal(.invalidInput, press.name, "odd number of tokens") { try press.scores(of: whole) }
            }
        }
    }

    @Test func `smooth with zeros beyond both ends, also wider than the prompt`() {
        #expect(averagePool([3, 6, 9], kernel: 3) == [3, 6, 5])
        #expect(averagePool([3, 6, 9], kernel: 1) == [3, 6, 9])
        #expect(averagePool([4], kernel: 5) == [0.8])
        #expect(averagePool([3, 6], kernel: 9) == [1, 1])
        #expect(averagePool([], kernel: 5) == [])
    }

    @Test func `refuse options out of range`() {
        let view = ViewShape(tokens: 30).view(segments: ViewShape(tokens: 30).frames)
        let presses: [any Press] = [
            H2OPress(recent: -0.5), H2OPress(recent: 1.5), H2OPress(recent: .nan), H2OPress(recent: .infinity),
            KVzipPress(sinks: -1), StreamingLLMPress(sinks: -1), LagKVPress(lag: 1), LagKVPress(lag: -8),
            LagKVPress(sinks: -1), ExpectedAttentionPress(horizon: 0), ExpectedAttentionPress(horizon: .max),
            ExpectedAttentionPress(epsilon: -1), ExpectedAttentionPress(epsilon: .nan),
            ExpectedAttentionPress(sinks: -1),
            Protecting(KeyDiffPress(), first: -1), Protecting(KeyDiffPress(), last: -1), GUIKVPress(temperature: 0),
            GUIKVPress(temperature: .nan), GUIKVPress(saliency: -1), GUIKVPress(saliency: .infinity),
            GUIKVPress(earlier: -1), GUIKVPress(earlier: .nan), GUIKVPress(rank: 0),
            GUIKVPress(rankShare: 0), GUIKVPress(rankShare: 1.5),
        ]
        for press in presses { expectRefusal(.invalidInput) { try press.scores(of: view) } }
    }

    @Test func `take options beyond the prompt as far as it goes`() throws {
        let view = ViewShape(tokens: 30).view(budget: 10, segments: ViewShape(tokens: 30).frames)
        let presses: [any Press] = [
            H2OPress(recent: 1), H2OPress(recent: 0), KVzipPress(sinks: .max), StreamingLLMPress(sinks: .max),
            LagKVPress(lag: .max), LagKVPress(sinks: .max), ExpectedAttentionPress(sinks: .max),
            Protecting(KeyDiffPress(), first: .max, last: .max), GUIKVPress(rank: .max), SnapKVPress(kernel: .max),
        ]
        for press in presses { #expect(try press.scores(of: view).tokens == 30) }
    }

    @Test func `h2o gives recent tokens their share of the budget`() throws {
        let view = ViewShape(tokens: 30).view(budget: 9)
        for (share, count) in [(0, 0), (0.5, 4), (1, 9)] {
            let heads = try H2OPress(recent: share).scores(of: view).heads
            #expect(
                heads.allSatisfy {
                    $0.count { $0 == .infinity } == count && $0.suffix(count).allSatisfy { $0 == .infinity }
                })
        }
    }

    @Test func `compresskv refuses the heads of another model`() {
        let view = ViewShape(tokens: 30).view(layer: 2)
        for heads in [[], [[0], [1]], [[0], [0], []], [[0], [0], [4]], [[0], [0], [-1]]] {
            expectRefusal(.invalidInput, "3 layers and 4 query heads", "calibrate heads") {
                try CompressKVPress(heads: heads).scores(of: view)
            }
        }
    }

    @Test func `compresskv refuses strengths that are none, or another model's`() {
        let view = ViewShape(tokens: 30).view(layer: 2)
        for strengths in [[0], [1], [1, 1], [1, 1, -1], [1, 1, .nan], [.infinity, 1, 1], [1, 1, 1, 1]] {
            expectRefusal(.invalidInput, "a strength of 0 or more for each of 3 layers") {
                try CompressKVPress(heads: [[0], [0], [0]], strengths: strengths).scores(of: view)
            }
        }
    }

    @Test func `compresskv lets each KV head keep what it looks at where no head retrieves`() throws {
        let view = ViewShape(tokens: 30).view(layer: 1)
        var press = CompressKVPress(heads: [[0], [0], [0]], strengths: [1, 0.19, 1])
        #expect(try press.scores(of: view) == SnapKVPress().scores(of: view))
        press.strengths[1] = 0.2
        #expect(try press.scores(of: view).heads.count == 1)
        press.strengths = [0, 0, 0]
        #expect(!press.needs.received, "nothing that was read counts")
    }

    @Test func `compresskv counts what a token received by the tokens that see it`() throws {
        var view = ViewShape(tokens: 6, window: 2).view()
        view.received = Array(repeating: [6, 5, 4, 6, 2, 1], count: 4).flatMap { $0 }
        #expect(view.meanReceived(by: [0, 1], first: 4) == [1, 1, 1, 2])
        // Where the prompt was computed from its third token on, four tokens see the first.
        view.receivedFrom = [2, 3, 4, 5]
        #expect(view.meanReceived(by: [3], first: 4) == [1.5, 1.25, 1, 2])
    }

    @Test func `compresskv lets no first token drown what the prompt read`() throws {
        var view = ViewShape(tokens: 30).view()
        view.received = Array(repeating: Array(repeating: 1, count: 30), count: 4).flatMap { $0 }
        let press = CompressKVPress(heads: [[0], [0], [0]], strengths: [1, 1, 1])
        let even = try press.scores(of: view).heads[0]
        for head in 0..<4 { view.received[head * 30] = 1000 }
        let sink = try press.scores(of: view).heads[0]
        #expect(sink[0] > even[0] && sink.dropFirst() == even.dropFirst())
    }

    @Test func `random draws anew in each layer, and again the same for a seed`() {
        let views = (0..<2).map { ViewShape(tokens: 30).view(layer: $0) }
        let press = RandomPress(seed: .max)
        #expect(press.scores(of: views[0]) == press.scores(of: views[0]))
        #expect(press.scores(of: views[0]) != press.scores(of: views[1]))
    }

    // MARK: Frames

    @Test func `gui-kv refuses a prompt without frames, segments that don't cover it, and norms that aren't known`() {
        let shape = ViewShape(tokens: 30)
        expectRefusal(.invalidInput, "screenshots", "--frames") { try GUIKVPress().scores(of: shape.view()) }
        for segments in [[PressSegment(0..<31, .frame)], [PressSegment(3..<30, .frame)]] {
            expectRefusal(.invalidInput, "segment") { try GUIKVPress().scores(of: shape.view(segments: segments)) }
        }
        var view = shape.view(segments: shape.frames)
        view.norms[0] = .nan
        #expect(throws: Never.self, "norms of text aren't asked for") { try GUIKVPress().scores(of: view) }
        view.norms[21] = .nan
        expectRefusal(.unsupported, "the frames") { try GUIKVPress().scores(of: view) }
    }

    @Test(arguments: GUIKVPress.Basis.allCases)
    func `gui-kv judges frames of one patch, frames that end the prompt, and ranks above the frame`(
        _ basis: GUIKVPress.Basis
    ) throws {
        let segments = [PressSegment(0..<1, .frame), PressSegment(1..<20, .text), PressSegment(20..<21, .frame)]
        for (tokens, rank) in [(21, 1), (21, 8), (25, 100)] {
            let rest = tokens > 21 ? [PressSegment(21..<tokens, .text)] : []
            let view = ViewShape(tokens: tokens, window: 2).view(budget: 2, segments: segments + rest)
            let heads = try GUIKVPress(rank: rank, basis: basis).scores(of: view).heads
            #expect(heads.allSatisfy { $0.allSatisfy { !$0.isNaN } })
        }
    }

    @Test func `gui-kv drops of earlier frames what does not fit, that is nothing of a budget of all tokens`() throws {
        let shape = ViewShape(tokens: 70)
        for (budget, dropped) in [(70, 0), (69, 0), (66, 1), (56, 4), (35, 10), (14, 16), (1, 19)] {
            let view = shape.view(budget: budget, segments: shape.frames)
            let heads = try GUIKVPress(redundancy: .forgotten).scores(of: view).heads
            #expect(heads.allSatisfy { $0.count { $0 == 0 } == dropped }, "\(budget)")
            // Text and the current frame lose nothing.
            let earlier = Set(10..<20).union(30..<40)
            #expect(heads.allSatisfy { head in head.indices.allSatisfy { head[$0] > 0 || earlier.contains($0) } })
        }
    }

    @Test func `gui-kv finds patches shown again, wherever they stand, when keys are taken before RoPE`() throws {
        let shape = ViewShape(tokens: 48, window: 4)
        let segments = [PressSegment(0..<20, .frame), PressSegment(20..<40, .frame), PressSegment(40..<48, .text)]
        var view = shape.view(budget: 36, segments: segments)
        var random = SplitMix64(seed: 41)
        var keys = random.floats(48 * 16)
        // The first 5 patches of the earlier frame show what 5 of the current one show; there is nothing else on that.
        for token in 0..<20 {
            let shown = keys[token % 5 * 16..<(token % 5 + 1) * 16]
            keys.replaceSubrange((20 + token) * 16..<(21 + token) * 16, with: shown)
        }
        view.rotary.angles(at: view.positions).turn(&keys, heads: 2, headDimension: 8)
        view.keys = keys
        for basis in GUIKVPress.Basis.allCases {
            let heads = try GUIKVPress(redundancy: .forgotten, rank: 5, basis: basis).scores(of: view).heads
            #expect(heads.allSatisfy { head in head.indices.filter { head[$0] == 0 } == Array(0..<5) }, "\(basis)")
        }
    }

    @Test func `gui-kv's saliency adds up to its weight, and is even where all patches are alike`() {
        let even = spatialSaliency(Array(repeating: 100.3, count: 5), temperature: 3.5)
        #expect(even.allSatisfy { abs($0 - 0.2) < 1e-6 })
        #expect(spatialSaliency([7], temperature: 1) == [1])
        let uneven = spatialSaliency([1, 2, 5], temperature: 1)
        #expect(abs(uneven.reduce(0, +) - 1) < 1e-6 && uneven[0] < uneven[1] && uneven[1] < uneven[2])
    }

    // MARK: Numbers

    @Test func `lagkv keeps short prompts whole, and thins whole partitions alike`() throws {
        for tokens in [1, 4, 5, 67] {
            let view = ViewShape(tokens: tokens).view()
            #expect(try LagKVPress(lag: 32).scores(of: view).heads.allSatisfy { $0.allSatisfy { $0 == 1 } })
        }
        for tokens in [68, 99, 100, 131] {
            let heads = try LagKVPress(lag: 32).scores(of: ViewShape(tokens: tokens).view()).heads
            let ranked = (tokens - 4) / 32 * 32 - 32
            for head in heads {
                #expect(head[..<4].allSatisfy { $0 == 1 } && head[(4 + ranked)...].allSatisfy { $0 == 1 })
                for first in stride(from: 4, to: 4 + ranked, by: 32) {
                    #expect(head[first..<first + 32].sorted() == (0..<32).map { Float($0) / 32 })
                }
            }
        }
    }

    @Test func `kvzip takes the highest of a group`() throws {
        var view = ViewShape(tokens: 3).view()
        view.repeated = [1, 2, 3, 4, 1, 2, 0, 0, 9, 8, 7, 6]
        #expect(try KVzipPress(sinks: 0).scores(of: view).heads == [[4, 2, 3], [8, 7, 9]])
    }

    @Test func `keydiff turns with the keys and does not mind their length`() {
        let view = ViewShape(tokens: 20).view()
        var longer = view
        longer.keys = view.keys.indices.map { view.keys[$0] * Float($0 / 16 + 1) }
        var turned = view
        turned.keys = view.keys.map { -$0 }
        let scores = KeyDiffPress().scores(of: view).heads
        for (a, b) in zip(scores, KeyDiffPress().scores(of: longer).heads) { #expect(largestDifference(a, b) < 1e-6) }
        for (a, b) in zip(scores, KeyDiffPress().scores(of: turned).heads) { #expect(largestDifference(a, b) < 1e-6) }
        let pair = KVLayout(layers: 1, heads: 1, headDimension: 2)
        #expect(TokenSaliency.keyDifferences([0, 0, 3, 4], layout: pair).map { $0.map { abs($0) } } == [[0, 1]])
    }

    @Test func `those of no order score tokens alike in whatever order they stand`() throws {
        let view = ViewShape(tokens: 20).view()
        var reversed = view
        let rows = (0..<20).map { Array(view.keys[$0 * 16..<($0 + 1) * 16]) }
        reversed.keys = rows.reversed().flatMap { $0 }
        for (a, b) in zip(KeyDiffPress().scores(of: view).heads, KeyDiffPress().scores(of: reversed).heads) {
            #expect(largestDifference(a, b.reversed()) < 1e-6)
        }
    }

    @Test(arguments: [0, 1e-30, 1e-20, 1e15, .greatestFiniteMagnitude] as [Float])
    func `score keys and values of any size, or say that they can't`(_ scale: Float) throws {
        let shape = ViewShape(tokens: 150)
        for press in try PressCatalog.presses() + [LagKVPress(lag: 32), GUIKVPress(basis: .pivotedQR)] {
            do {
                let scores = try (0..<3).map {
                    try press.scores(of: shape.view(layer: $0, budget: 60, segments: shape.frames, scale: scale))
                }
                #expect(try PressPlan(press, budget: .tokens(60)).keep(scores).share == 0.4)
            } catch {
                // The exponents of Expected Attention leave the range of numbers, and so do the largest keys when they
                // are turned.
                let beyond: Float = press.name == "expected" ? 1e10 : press.name == "gui-kv" ? 1e38 : .infinity
                #expect(scale > beyond && "\(error)".contains("\(press.name) can't score layer 0"), "\(error)")
            }
        }
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func `refuse keys that are no numbers, naming the layer, where they look at keys`(_ number: Float) throws {
        let shape = ViewShape(tokens: 150)
        let presses: [any Press] = [
            KeyDiffPress(), LagKVPress(lag: 32), ExpectedAttentionPress(), GUIKVPress(), GUIKVPress(basis: .firstKeys),
        ]
        // In an earlier frame, in the current one, and behind all frames.
        for (press, token) in presses.flatMap({ press in [30, 110, 149].map { (press, $0) } }) {
            expectRefusal(.invalidInput, press.name, "layer 1", "not all finite") {
                let scores = try (0..<3).map { layer in
                    var view = shape.view(layer: layer, budget: 60, segments: shape.frames)
                    if layer == 1 { view.keys[token * 16 + 3] = number }
                    return try press.scores(of: view)
                }
                _ = try PressPlan(press, budget: .tokens(60)).keep(scores)
            }
        }
    }

    @Test func `refuse attention that is no number, in every press that looks at it`() throws {
        let shape = ViewShape(tokens: 50)
        for press in try PressCatalog.presses() {
            var view = shape.view(layer: 0, budget: 20, segments: shape.frames)
            view.attention = view.attention.map { _ in .nan }
            view.received[10] = .nan
            view.repeated[20] = .nan
            let needs = press.needs
            guard needs.window > 0 || needs.received || needs.repetition else { continue }
            expectRefusal(.invalidInput, press.name, "layer 0") {
                try PressPlan(press, budget: .tokens(20)).keep([try press.scores(of: view)])
            }
        }
    }
}
