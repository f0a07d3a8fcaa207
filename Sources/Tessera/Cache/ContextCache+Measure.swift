// SPDX-License-Identifier: Apache-2.0

package import TesseraKV
internal import TesseraReuse

extension ContextCache {
    /// Runs a prompt to its first logits, then the ideal beside it: a prefill that computes as many tokens in each
    /// layer, behind keys that lie in the buffer already.
    package func measure(_ prompt: Prompt, assembly: Assembly) async throws(TesseraError) -> (
        report: ReuseReport, ideal: Double
    ) {
        let tokens = try promptTokens(prompt)
        let report = try await logits(of: prompt, assembly: assembly).report
        var planned = ReuseReport(assembly)
        let request = try assemble(tokens, as: assembly, room: 0, report: &planned)
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
        let ids = request.ids
        let slots = Array(ids.count - request.plan.computed.count..<ids.count)
        _ = try runtime.prefill(
            PartialPrefill(
                input: .tokens(slots.map { ids[$0] }), slots: slots, keyCount: ids.count, logits: .last),
            over: request.buffer, observer: TrailingRows(request.plan, layers: model.layout.layers))
        return (report, watch.lap())
    }
}

extension ContextCache {
    /// The distributions along a given answer: the logits of a prompt's last token and of every token of the answer,
    /// each in its true place behind the prompt.
    ///
    /// - Returns: Logits of shape (answer.count + 1, vocabulary), and the report.
    package func logits(
        of prompt: Prompt, along answer: [TokenID], assembly: Assembly
    ) throws(TesseraError) -> (logits: [Float], report: ReuseReport) {
        let tokens = try promptTokens(prompt)
        let room = try room(for: tokens, as: assembly, answer: answer.count)
        guard room == answer.count else {
            throw TesseraError(.tooLong, "the prompt leaves no room for the answer that it is compared along")
        }
        var report = ReuseReport(assembly)
        var request = try assemble(tokens, as: assembly, room: room, report: &report)
        request.append(answer)
        return (
            try request.prefill(runtime, logits: .trailing(answer.count + 1), report: &report).output.logits, report
        )
    }

    /// Seconds that finding, comparing and planning take for a prompt; nothing is computed.
    package func planSeconds(of prompt: Prompt, assembly: Assembly) throws(TesseraError) -> Double {
        var report = ReuseReport(assembly)
        let request = try assemble(promptTokens(prompt), as: assembly, room: 0, report: &report)
        request.streamer.drain()
        return report.stages.plan
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

/// Narrows to as many trailing rows as a plan computes, in the layers where the plan does.
private final class TrailingRows: LayerObserver {
    private let rows: [Int]

    init(_ plan: AssemblyPlan, layers: Int) {
        rows = plan.rows(layers: layers)
    }

    func select(_ projection: LayerProjection) -> [Int]? {
        let count = rows[projection.layer]
        return count < projection.slots.count ? Array(projection.slots.suffix(count)) : nil
    }
}
