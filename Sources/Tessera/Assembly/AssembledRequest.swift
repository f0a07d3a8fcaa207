// SPDX-License-Identifier: Apache-2.0

internal import TesseraCompression
internal import TesseraKV
internal import TesseraReuse

/// A prompt whose stored KV is found and whose computation is planned.
struct AssembledRequest: Sendable {
    /// The prompt's ids, in the order of the buffer's slots; without those that stored chunks lack.
    private(set) var ids: [TokenID]
    /// The keys and values of this request alone.
    private(set) var buffer: KVBuffer
    /// What is computed.
    private(set) var plan: AssemblyPlan
    /// The position behind the prompt's last token.
    private(set) var nextPosition: Int32
    /// The contexts that stand side by side; nil where each has its own positions.
    var parallel: ParallelContexts?
    /// The contexts that had to be computed within the prompt, by their places in the prompt as it was asked.
    var misses: [Range<Int>] = []
    /// Whether stored chunks lack tokens: slots are not the prompt's places then, and what was computed has not seen all.
    var hasHoles = false
    /// Chunks that had to be computed for this prompt alone, for keeping.
    var encoded: [EncodedChunk] = []
    /// Whether a stored leading run was found.
    var hasPrefix = false
    /// Whether the repair stops for chunks that the question does not look at.
    var focuses = false
    /// Whether tokens are picked by stored scores.
    var goesByScores = false
    /// What embeddings take the place of the ids: the patches of screenshots.
    var frames: [FrameSlots] = []
    private(set) var streamer: LayerStreamer

    /// What came of running the prompt.
    struct Outcome: Sendable {
        var output: PrefillOutput
        /// The deviation of each candidate in the layer that compared by attention, where one did.
        var deviations: [Int: Float]
        /// The candidates that were picked there.
        var selected: Set<Int>
        /// What a press left of the prompt; nil where it stayed whole.
        var pressed: PressedPrompt?
        /// Seconds for all of it.
        var seconds: Double
        /// Seconds that the computation waited for stored KV.
        var stall: Double
    }

    /// Runs the planned tokens through the model.
    func prefill(
        _ runtime: any ModelRuntime, logits: PartialPrefill.Logits, press: PressPlan? = nil, answerRoom: Int = 0,
        report: inout ReuseReport
    ) throws(TesseraError) -> Outcome {
        defer { streamer.drain() }
        var watch = Stopwatch()
        var plan = plan
        // Of what is there: stored chunks may lack tokens.
        let press = press.flatMap { $0.presses(tokens: ids.count) ? $0 : nil }
        if case .question(let budget) = plan.selection.choice {
            let (read, rows) = try tokensRead(by: plan.question, runtime, budget: budget)
            report.computedTokenLayers += rows
            plan.selection = .fixed((plan.selection.fixed + read).sorted())
            plan.computed = Set(plan.computed + read).sorted()
        }
        let observer = AssemblyObserver(plan: plan, streamer: streamer, model: runtime.model, focuses: focuses)
        var scene: PressScene?
        if let press { scene = try self.scene(of: press, plan, runtime.model) }
        var watching: (any LayerObserver) = observer
        var scoring: PressObserver?
        var scores: [TokenScores] = []
        if let press, let scene, !press.press.needs.repetition {
            let pressing = PressObserver(observer, needs: press.press.needs, scene: scene, buffer: buffer) {
                (view) throws(TesseraError) in scores.append(try press.press.scores(of: view))
            }
            (watching, scoring) = (pressing, pressing)
        }
        let output = try runtime.prefill(call(plan.computed, logits), over: buffer, observer: watching)
        report.computedTokenLayers += output.computedRows.reduce(0, +)
        report.focusedContexts = observer.focused?.count
        if focuses {
            let reused = Set(plan.reused.flatMap { $0.slots })
            let others = plan.computed.count { !reused.contains($0) }
            // Behind the last layer's attention only the rows are computed whose logits are wanted; that saves no repair.
            let rows = output.computedRows.dropLast() + output.computedRows.dropLast().suffix(1)
            report.effectiveRecompute = TesseraReuse.effectiveRecompute(
                computedReused: rows.map { max(0, $0 - others) }, reused: plan.reusedTokens)
        }
        report.stages.stall = observer.stall.seconds
        let seconds = watch.lap()
        var pressed: PressedPrompt?
        if let press, let scene {
            try scoring?.finish()
            let result = try PressedPrompt(
                press, scene, scores: scoring == nil ? nil : scores, ids: ids, over: buffer, room: answerRoom, runtime)
            report.pressed = PressReport(press, result, layout: buffer.layout)
            report.provenance = .pressed
            report.computedTokenLayers += result.rows
            report.stages.press = watch.lap()
            pressed = result
        }
        return Outcome(
            output: output, deviations: observer.deviations, selected: observer.selected, pressed: pressed,
            seconds: seconds, stall: observer.stall.seconds)
    }

    /// Gives the whole prompt's keys and values back, once a press has left a smaller copy.
    mutating func release(rotary: RotaryTable) throws(TesseraError) {
        buffer = try KVBuffer(layout: buffer.layout, capacity: 1)
        streamer = LayerStreamer(runs: [], buffer: buffer, rotary: rotary)
    }

    /// Lets tokens follow the prompt; they are computed with it. The buffer must have room for them.
    mutating func append(_ tokens: [TokenID]) {
        let slots = ids.count..<ids.count + tokens.count
        buffer.setPositions(tokens.indices.map { nextPosition + Int32($0) }, from: ids.count)
        ids += tokens
        nextPosition += Int32(tokens.count)
        plan.computed += slots
    }

    private func call(_ slots: [Int], _ logits: PartialPrefill.Logits) -> PartialPrefill {
        PartialPrefill(
            input: frames.input(ids, at: slots), slots: slots, keyCount: ids.count, logits: logits, parallel: parallel)
    }

    /// What a press sees of this prompt whatever the layer.
    private func scene(
        of press: PressPlan, _ plan: AssemblyPlan, _ model: ModelDescription
    ) throws(TesseraError) -> PressScene {
        PressScene(
            model: model, positions: Array(buffer.positions[..<ids.count]), computed: plan.computed,
            budget: try press.budget.count(of: ids.count), segments: frames.segments(tokens: ids.count))
    }

    /// The candidates that the question reads most in the last layer, over the KV as it is stored, and the rows that
    /// finding them took.
    private func tokensRead(
        by question: Range<Int>, _ runtime: any ModelRuntime, budget: Int
    ) throws(TesseraError) -> (slots: [Int], rows: Int) {
        let look = QuestionLook(question, streamer: streamer, layers: runtime.model.layout.layers)
        let output = try runtime.prefill(call(plan.computed, .none), over: buffer, observer: look)
        let received = attentionReceived(look.probabilities, heads: runtime.model.queryHeads, keys: ids.count)
        let candidates = plan.selection.candidates
        let highest = indicesOfHighest(budget, in: candidates.map { received[$0] })
        return (highest.map { candidates[$0] }, output.computedRows.reduce(0, +))
    }
}

/// Takes down what the question attends to in the last layer.
private final class QuestionLook: LayerObserver {
    private let question: Range<Int>
    private let streamer: LayerStreamer
    private let layers: Int
    private(set) var probabilities: [Float] = []

    init(_ question: Range<Int>, streamer: LayerStreamer, layers: Int) {
        self.question = question
        self.streamer = streamer
        self.layers = layers
    }

    func needs(of layer: Int) -> LayerNeeds {
        LayerNeeds(attentionOf: layer == layers - 1 ? Array(question) : [])
    }

    func layerBegins(_ layer: Int) throws(TesseraError) {
        streamer.request(through: layer + streamer.depth)
        try streamer.wait(for: layer)
    }

    func layerAttended(_ attention: LayerAttention) throws(TesseraError) {
        probabilities = attention.probabilities
    }
}
