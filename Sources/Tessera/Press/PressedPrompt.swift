// SPDX-License-Identifier: Apache-2.0

internal import TesseraCompression
internal import TesseraKV

/// What a press left of a prompt.
struct PressedPrompt: Sendable {
    /// The tokens that stay.
    let kept: KeptTokens
    /// Their keys and values, and room for the answer.
    let buffer: KVBuffer
    /// Rows that the press had computed on its own account, summed over layers.
    let rows: Int

    /// Presses a prompt that was computed.
    ///
    /// - Parameters:
    ///   - scores: Those that the press made of each layer; nil for a press that wants to see the prompt repeated.
    ///   - room: Slots for the answer.
    init(
        _ plan: PressPlan, _ scene: PressScene, scores: [TokenScores]?, ids: [TokenID], over whole: KVBuffer,
        room: Int, _ runtime: any ModelRuntime
    ) throws(TesseraError) {
        var (all, rows) = (scores ?? [], 0)
        if scores == nil {
            // Where stored chunks lack tokens, the positions go further than the slots.
            let position = (scene.positions.max() ?? -1) + 1
            let repetition = try Repetition(
                of: ids, within: min(runtime.model.contextLength - Int(position), whole.capacity - ids.count),
                tokenizer: runtime.tokenizer)
            let repeated = try repetition.run(runtime, over: whole, from: position)
            rows = repeated.rows
            for (layer, peaks) in repeated.peaks.enumerated() {
                var view = scene.view(of: layer)
                view.repeated = peaks
                (view.keys, view.values) = whole.rows(0..<view.tokens, of: layer)
                all.append(try plan.press.scores(of: view))
            }
        }
        kept = try plan.keep(all)
        buffer = try KVBuffer(keeping: kept, of: whole, room: room)
        self.rows = rows
    }
}

/// What a press did to a prompt, for reports.
public struct PressReport: Sendable, Codable, Equatable {
    /// The press's name.
    public var press: String
    /// How much was to stay.
    public var budget: String
    /// Tokens that stayed, on average over layers.
    public var keptTokens: Double
    /// The fewest tokens that stayed in a layer.
    public var fewest: Int
    /// The most tokens that stayed in a layer.
    public var most: Int
    /// Bytes of the prompt's keys and values in memory before.
    public var bytesBefore: Int
    /// Bytes after.
    public var bytesAfter: Int
}

extension PressReport {
    init(_ plan: PressPlan, _ pressed: PressedPrompt, layout: KVLayout) {
        let counts = pressed.kept.layers.indices.map { pressed.kept.count(of: $0) }
        let perToken = 2 * layout.width * MemoryLayout<Float>.stride
        self.init(
            press: plan.name, budget: plan.budget.label,
            keptTokens: Double(counts.reduce(0, +)) / Double(max(1, counts.count)), fewest: counts.min() ?? 0,
            most: counts.max() ?? 0, bytesBefore: pressed.kept.tokens * counts.count * perToken,
            bytesAfter: counts.reduce(0, +) * perToken)
    }
}
