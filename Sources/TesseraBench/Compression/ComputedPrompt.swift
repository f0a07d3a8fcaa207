// SPDX-License-Identifier: Apache-2.0

internal import Tessera
internal import TesseraCompression
internal import TesseraKV

/// A prompt, or the part of it in front of the question, computed whole, with all that presses want to see of it: every
/// method of a bench starts from the same numbers.
struct ComputedPrompt {
    let runtime: any ModelRuntime
    let tokens: PromptTokens
    /// The tokens that are computed.
    let length: Int
    let buffer: KVBuffer
    /// Of the last of them.
    let logits: [Float]
    private let views: [LayerView]

    /// - Parameters:
    ///   - length: Tokens to compute, from the first.
    ///   - needs: What the presses of the bench want to see.
    ///   - room: Slots behind them.
    init(
        _ tokens: PromptTokens, length: Int, needs: PressNeeds, room: Int, on runtime: any ModelRuntime
    ) throws(TesseraError) {
        let repetition =
            needs.repetition
            ? try Repetition(
                of: Array(tokens.ids[..<length]), within: runtime.model.contextLength - length,
                tokenizer: runtime.tokenizer)
            : nil
        let buffer = try KVBuffer(layout: runtime.model.layout, capacity: length + max(room, repetition?.room ?? 0))
        let slots = Array(0..<length)
        let scene = PressScene(
            model: runtime.model, positions: Array(buffer.positions[..<length]), computed: slots, budget: length,
            segments: tokens.frames.segments(tokens: length))
        var views: [LayerView] = []
        let observer = PressObserver(nil, needs: needs, scene: scene, buffer: buffer) { views.append($0) }
        let call = PartialPrefill(
            input: tokens.frames.input(tokens.ids, at: slots), slots: slots, keyCount: length, logits: .last)
        logits = try runtime.prefill(call, over: buffer, observer: observer).logits
        try observer.finish()
        if let repetition {
            let peaks = try repetition.run(runtime, over: buffer, from: Int32(length)).peaks
            for layer in views.indices { views[layer].repeated = peaks[layer] }
        }
        self.runtime = runtime
        self.tokens = tokens
        self.length = length
        self.buffer = buffer
        self.views = views
    }

    /// What a press keeps of it.
    func kept(by plan: PressPlan) throws(TesseraError) -> KeptTokens {
        let budget = try plan.budget.count(of: length)
        var scores: [TokenScores] = []
        for var view in views {
            view.budget = budget
            // Others of the bench may look from more tokens.
            view.window = Array(view.window.suffix(plan.press.needs.window))
            view.attention = Array(view.attention.suffix(view.window.count * view.queryHeads * view.tokens))
            scores.append(try plan.press.scores(of: view))
        }
        return try plan.keep(scores)
    }

    /// The buffer that a method leaves, with room for what follows.
    func pressed(by plan: PressPlan, room: Int) throws(TesseraError) -> (buffer: KVBuffer, share: Double) {
        let kept = try kept(by: plan)
        return (try KVBuffer(keeping: kept, of: buffer, room: room), kept.share)
    }
}
