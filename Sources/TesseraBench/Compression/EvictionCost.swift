// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Tessera
internal import TesseraCompression
internal import TesseraKV

/// What it costs to evict tokens of one layer while all others keep theirs, along a right answer.
struct EvictionCost {
    /// How much of the answer is lost (``EvictionCosts/layers``), (layer, plan).
    let answer: [[Double]]
    /// How far the layer's own output is off, summed over the answer, by layer (CompressKV's measure).
    let output: [Double]

    /// - Parameters:
    ///   - plans: What each layer keeps in turn.
    ///   - published: What it keeps where its own output is compared.
    init(
        of needle: AnsweredNeedle, _ plans: [PressPlan], published: PressPlan, on runtime: any ModelRuntime
    ) throws(TesseraError) {
        let (length, answer) = (needle.prompt.ids.count, needle.answer)
        let prompt = try ComputedPrompt(
            needle.prompt, length: length,
            needs: .all((plans + [published]).map(\.press.needs)), room: answer.count + 1, on: runtime)
        let slots = Array(length..<length + answer.count)
        let call = PartialPrefill(
            input: .tokens(answer), slots: slots, keyCount: length + slots.count, logits: .all)
        let watch = AblationWatch(
            rows: slots, kept: try prompt.kept(by: published).layers.map { $0[0] + slots })
        let whole = try runtime.prefill(call, over: prompt.buffer, observer: watch).logits
        output = watch.layers.map { evictionError(full: $0.full, compressed: $0.ablated, width: runtime.model.width) }
        let reference = ReferenceDistributions(whole, vocabulary: runtime.model.vocabulary)
        let layers = runtime.model.layout.layers
        var costs = Array(repeating: [Double](), count: layers)
        for plan in plans {
            let kept = try prompt.kept(by: plan)
            for layer in 0..<layers {
                var sets = Array(repeating: [Array(0..<length)], count: layers)
                sets[layer] = kept.layers[layer]
                let evicted = try KVBuffer(
                    keeping: KeptTokens(tokens: length, layers: sets), of: prompt.buffer, room: answer.count + 1)
                let logits = try runtime.prefill(call, over: evicted, observer: nil).logits
                costs[layer].append(1 - exp(-reference.meanDivergence(to: logits) * Double(answer.count)))
            }
        }
        self.answer = costs
    }
}

/// Takes down what attention gives over a part of each layer's keys.
private final class AblationWatch: LayerObserver {
    private let rows: [Int]
    private let kept: [[Int]]
    private(set) var layers: [LayerAblation] = []

    init(rows: [Int], kept: [[Int]]) { (self.rows, self.kept) = (rows, kept) }

    func needs(of layer: Int) -> LayerNeeds {
        LayerNeeds(ablation: AblationNeeds(rows: rows, kept: kept[layer]))
    }
    func layerAblated(_ ablation: LayerAblation) { layers.append(ablation) }
}
