// SPDX-License-Identifier: Apache-2.0

package import TesseraKV
internal import TesseraReuse

extension ContextCache {
    /// Runs a prompt to its first logits, then the ideal beside it: a prefill that computes as many tokens in each
    /// layer, behind keys that lie in the buffer already.
    package func measure(_ prompt: Prompt, assembly: Assembly) throws(TesseraError) -> (
        report: ReuseReport, ideal: Double
    ) {
        let tokens = promptTokens(prompt)
        let report = try logits(of: prompt, assembly: assembly).report
        var planned = ReuseReport(assembly)
        let request = try assemble(tokens, as: assembly, capacity: tokens.ids.count, report: &planned)
        // All stored KV is placed, and the pages of the buffer are there, before the clock starts.
        for layer in 0..<model.layout.layers {
            request.streamer.request(through: layer)
            try request.streamer.wait(for: layer)
        }
        for layer in 0..<model.layout.layers {
            request.buffer.keys(of: layer).update(repeating: 0.01)
            request.buffer.values(of: layer).update(repeating: 0.01)
        }
        var watch = Stopwatch()
        let slots = Array(tokens.ids.count - request.plan.computed.count..<tokens.ids.count)
        _ = try runtime.prefill(
            PartialPrefill(
                input: .tokens(slots.map { tokens.ids[$0] }), slots: slots, keyCount: tokens.ids.count, logits: .last),
            over: request.buffer, observer: TrailingRows(request.plan))
        return (report, watch.lap())
    }
}

extension ContextCache {
    /// The distributions along a given answer: the logits of a prompt's last token and of every token of the answer,
    /// each in its true place behind the prompt.
    ///
    /// - Returns: Logits of shape (answer.count + 1, vocabulary).
    package func logits(
        of prompt: Prompt, along answer: [TokenID], assembly: Assembly
    ) throws(TesseraError) -> [Float] {
        var tokens = promptTokens(prompt)
        tokens.ids += answer
        var report = ReuseReport(assembly)
        let request = try assemble(tokens, as: assembly, capacity: tokens.ids.count, report: &report)
        return try request.prefill(runtime, logits: .trailing(answer.count + 1), report: &report).logits
    }

    /// Seconds that the runtime takes for the KV and the last logits of some tokens, with nothing stored or observed.
    package func prefillSeconds(of tokens: [TokenID]) throws(TesseraError) -> Double {
        let buffer = try KVBuffer(layout: model.layout, capacity: tokens.count)
        var watch = Stopwatch()
        _ = try runtime.prefill(
            PartialPrefill(
                input: .tokens(tokens), slots: Array(tokens.indices), keyCount: tokens.count, logits: .last),
            over: buffer, observer: nil)
        return watch.lap()
    }
}

/// Narrows to as many trailing rows as a plan computes, in the layer where the plan does.
private final class TrailingRows: LayerObserver {
    private let layer: Int?
    private let count: Int

    init(_ plan: AssemblyPlan) {
        switch plan.selection {
        case .fixed:
            (layer, count) = (nil, plan.computed.count)
        case .byDeviation(let check, let budget):
            (layer, count) = (check, plan.computed.count - plan.reusedTokens + budget)
        }
    }

    func select(_ projection: LayerProjection) -> [Int]? {
        projection.layer == layer ? Array(projection.slots.suffix(count)) : nil
    }
}
