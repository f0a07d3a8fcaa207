// SPDX-License-Identifier: Apache-2.0

import TesseraCompression
import TesseraKV
import TesseraTestSupport
import Testing

/// The shape of a layer to press.
struct ViewShape: Sendable, CustomTestStringConvertible {
    var tokens: Int
    var queryHeads = 4
    var heads = 2
    var dimension = 8
    var rotated = 8
    var window = 8

    var testDescription: String {
        "\(tokens) tokens, \(queryHeads) over \(heads) heads of \(dimension), \(rotated) rotated"
    }

    /// A layer of random numbers that holds all that a press may ask for, every token computed.
    func view(
        layer: Int = 0, layers: Int = 3, budget: Int = 1, segments: [PressSegment]? = nil, seed: UInt64 = 1,
        scale: Float = 1
    ) -> LayerView {
        var random = SplitMix64(seed: seed &+ UInt64(layer))
        var view = LayerView(
            layer: layer, queryHeads: queryHeads,
            layout: KVLayout(layers: layers, heads: heads, headDimension: dimension),
            rotary: RotaryTable(dimensions: rotated, base: 10_000, pairing: .interleaved),
            positions: (0..<tokens).map { Int32($0) }, budget: budget,
            segments: segments ?? [PressSegment(0..<tokens, .text)],
            keys: random.floats(tokens * heads * dimension).map { $0 * scale },
            values: random.floats(tokens * heads * dimension).map { $0 * scale })
        view.window = Array(max(0, tokens - window)..<tokens)
        view.attention = random.shares(rows: view.window.count * queryHeads, of: tokens)
        view.received = random.shares(rows: queryHeads, of: tokens)
        view.queries = random.floats(tokens * queryHeads * dimension)
        view.repeated = random.shares(rows: queryHeads, of: tokens)
        view.norms = random.floats(tokens).map { 1 + abs($0) }
        return view
    }

    /// A prompt of three frames between texts.
    var frames: [PressSegment] {
        let cuts = (0...7).map { $0 * tokens / 7 }
        return (0..<7).compactMap { part in
            cuts[part] < cuts[part + 1]
                ? PressSegment(cuts[part]..<cuts[part + 1], part % 2 == 0 ? .text : .frame) : nil
        }
    }
}

extension SplitMix64 {
    /// Rows of attention: each adds up to 1.
    mutating func shares(rows: Int, of tokens: Int) -> [Float] {
        (0..<rows).flatMap { _ in
            let numbers = (0..<tokens).map { _ in Float.random(in: 0..<1, using: &self) }
            let sum = numbers.reduce(0, +)
            return numbers.map { $0 / sum }
        }
    }

    /// Scores of layers and heads; none of them infinite.
    mutating func scores(layers: Int, heads: Int, tokens: Int) -> [TokenScores] {
        (0..<layers).map { _ in TokenScores(heads: (0..<heads).map { _ in floats(tokens) }) }
    }
}

/// A press of scores that are known beforehand, for what comes behind presses.
struct FixedPress: Press {
    var name: String { "fixed" }
    var needs: PressNeeds { PressNeeds() }
    var reduction: TokenScores.Reduction = .mean
    var heads: [[Float]] = [[]]

    func scores(of view: LayerView) -> TokenScores { TokenScores(heads: heads) }
}

extension PressCatalog {
    /// All presses, each with its options as the list has them and assets for four query heads in three layers.
    static func presses() throws -> [any Press] {
        let assets = HeadAssets(
            weights: "w", queryHeads: 4, scores: Array(repeating: [4, 3, 2, 1], count: 3),
            costs: EvictionCosts(shares: [0.1], layers: [[0.5], [0.25], [0.25]]), outputErrors: [0.5, 0.25, 0.25],
            samples: 1)
        return try names.map { try plan(named: $0, budget: .tokens(1), assets: assets).press }
    }
}

/// Expects an error of a kind whose message holds some words.
func expectRefusal<R>(
    _ code: TesseraError.Code, _ words: String..., at location: SourceLocation = #_sourceLocation,
    _ body: () throws -> R
) {
    let error = #expect(throws: TesseraError.self, sourceLocation: location) { _ = try body() }
    #expect(error?.code == code, sourceLocation: location)
    let message = error?.message ?? ""
    for word in words {
        #expect(message.contains(word), "“\(message)” lacks “\(word)”", sourceLocation: location)
    }
}
