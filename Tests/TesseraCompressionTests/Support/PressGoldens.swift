// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraCompression
import TesseraKV
import TesseraTestSupport

/// What presses and budgets make of small layers in float64 (`Fixtures/goldens/presses.py`).
struct PressGoldens: Decodable {
    /// Layers of one prompt. Numbers are whole, as the script writes them.
    struct Scene: Decodable {
        let tokens, queryHeads, heads, dimension, window: Int
        let positions: [Int32]
        let frequencies: [Float]
        let pairing: RotaryTable.Pairing
        let layers: [Layer]

        struct Layer: Decodable {
            let keys, values: [Int]
            let queries, attention, received, repeated, norms: [Int]?
        }
    }

    struct Case: Decodable, CustomStringConvertible {
        let scene, press: String
        let options: Options
        let budget: Int
        let scores: [[[Double?]]]
        let kept: [String: [[[Int]]]]

        var description: String { "\(press) on \(scene), \(options.label)" }
    }

    struct Options: Decodable {
        let window, kernel, sinks, lag, horizon, rank: Int?
        let recent: Double?
        let epsilon, saliency, temperature, earlier: Float?
        let redundancy: GUIKVPress.Redundancy?
        let heads: [[Int]]?
        let strengths: [Double]?
        let basis: GUIKVPress.Basis?
        let rotated: Bool?

        var label: String {
            "kernel \(kernel ?? 0), sinks \(sinks ?? 0), \(basis?.rawValue ?? "") \(rotated == true ? "rotated" : "")"
        }
    }

    struct Residuals: Decodable {
        let basis: GUIKVPress.Basis
        let rotated: Bool
        let rank: Int
        let residuals: [[[Double]]]
    }

    struct Budgets: Decodable {
        let pyramid: [Pyramid]
        let error: [Error]
        let threshold: [Threshold]

        struct Pyramid: Decodable { let mean, tokens, layers, steepness, window: Int, counts: [Int] }
        struct Error: Decodable { let errors: [Double], mean, tokens, least: Int, counts: [Int] }
        struct Threshold: Decodable { let mean, least: Int, counts: [Int] }
    }

    struct Retrieval: Decodable {
        let counted: [Bool]
        let span: [Int]
        let scores: [Double]
    }

    struct Eviction: Decodable {
        let full, compressed: [Int]
        let width: Int
        let epsilon, error: Double
        let sets: [[Double]]
        let shares: [Double]
    }

    let scenes: [String: Scene]
    let frames: [[Int]]
    let cases: [Case]
    let residuals: [Residuals]
    let budgets: Budgets
    let retrieval: Retrieval
    let eviction: Eviction

    static let all: PressGoldens = {
        do {
            let data = try Data(contentsOf: fixtures.appending(path: "goldens/presses.json"))
            return try JSONDecoder().decode(PressGoldens.self, from: data)
        } catch {
            preconditionFailure("the goldens of presses can't be read: \(error)")
        }
    }()

    /// Numbers of the file as they were meant.
    static func numbers(_ whole: [Int]?, per scale: Double = 1e4) -> [Float] {
        (whole ?? []).map { Float(Double($0) / scale) }
    }

    /// The layers of a scene, with frames where it has some, as a press sees them.
    func views(of name: String, budget: Int) -> [LayerView] {
        guard let scene = scenes[name] else { preconditionFailure("there is no scene \(name)") }
        return scene.layers.enumerated().map { index, layer in
            var view = LayerView(
                layer: index, queryHeads: scene.queryHeads,
                layout: KVLayout(layers: scene.layers.count, heads: scene.heads, headDimension: scene.dimension),
                rotary: RotaryTable(frequencies: scene.frequencies, pairing: scene.pairing), positions: scene.positions,
                budget: budget, segments: name == "grouped" ? segments(of: scene.tokens) : [],
                keys: Self.numbers(layer.keys), values: Self.numbers(layer.values))
            view.window = Array(scene.tokens - scene.window..<scene.tokens)
            view.attention = Self.numbers(layer.attention, per: 1e6)
            view.received = Self.numbers(layer.received)
            view.queries = Self.numbers(layer.queries)
            view.repeated = Self.numbers(layer.repeated, per: 1e6)
            view.norms = Self.numbers(layer.norms)
            return view
        }
    }

    /// The frames, and text wherever there is none.
    private func segments(of tokens: Int) -> [PressSegment] {
        var segments: [PressSegment] = []
        for frame in frames + [[tokens, tokens]] {
            let end = segments.last?.tokens.upperBound ?? 0
            if end < frame[0] { segments.append(PressSegment(end..<frame[0], .text)) }
            if frame[0] < frame[1] { segments.append(PressSegment(frame[0]..<frame[1], .frame)) }
        }
        return segments
    }
}

extension PressGoldens.Case {
    /// The layers that it scores, with the window that the press asks for.
    var views: [LayerView] {
        let wanted = made.needs.window
        return PressGoldens.all.views(of: scene, budget: budget).map { view in
            var view = view
            view.window = Array(view.window.suffix(wanted))
            view.attention = Array(view.attention.suffix(view.window.count * view.queryHeads * view.tokens))
            return view
        }
    }

    /// The press with the case's options.
    var made: any Press {
        let options = options
        switch press {
        case "snapkv": return SnapKVPress(window: 8, kernel: options.kernel ?? 5)
        case "compresskv":
            return CompressKVPress(
                heads: options.heads ?? [], strengths: options.strengths ?? [], window: 8,
                kernel: options.kernel ?? 5)
        case "tova": return TOVAPress()
        case "h2o": return H2OPress(recent: options.recent ?? 0.5)
        case "keydiff": return KeyDiffPress()
        case "lagkv": return LagKVPress(sinks: options.sinks ?? 4, lag: options.lag ?? 128)
        case "expected":
            return ExpectedAttentionPress(
                horizon: options.horizon ?? 512, epsilon: options.epsilon ?? 0, sinks: options.sinks ?? 4)
        case "kvzip": return KVzipPress(sinks: options.sinks ?? 4)
        case "streamingllm": return StreamingLLMPress(sinks: options.sinks ?? 4)
        case "gui-kv":
            return GUIKVPress(
                saliency: options.saliency ?? 2, temperature: options.temperature ?? 3.5, earlier: options.earlier ?? 0,
                redundancy: options.redundancy ?? .forgotten, rank: options.rank,
                basis: options.basis ?? .singularVectors, rotated: options.rotated ?? false, window: 8,
                kernel: options.kernel ?? 5)
        default: preconditionFailure("there is no press \(press)")
        }
    }
}
