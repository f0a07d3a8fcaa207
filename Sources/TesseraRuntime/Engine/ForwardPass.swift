// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import TesseraKV

/// One partial prefill: the rows of a call on their way through the layers.
///
/// Each layer computes keys and values of all its rows, writes them into the buffer, lets the observer select, and takes
/// the rows that go on through attention and feed-forward, a tile of rows at a time, so that scratch does not grow with
/// the prompt. In front of each tile it gives way to what is urgent: answers that are being read meanwhile.
///
/// In the last layer only what was asked for goes on: the rows whose logits, attention or masses are wanted.
struct ForwardPass {
    let model: LlamaModel
    let call: PartialPrefill
    let buffer: KVBuffer
    let observer: (any LayerObserver)?
    let scratch: LayerScratch
    let turn: EngineTurn

    let spans: [KeyAttention.Span]  // what rows attend to
    let positions: [Int32]  // of all slots of the buffer
    let angles: RotaryAngles
    let stream: ResidualStream
    let keysAndValues: UnsafeMutablePointer<Float>  // (row, keys then values)
    var rows: [Row]  // those that are still computed
    var computedRows: [Int] = []

    /// A row: where its keys and values go, and which of the call's rows it is.
    struct Row {
        let slot: Int
        let origin: Int
    }

    init(
        _ model: LlamaModel, _ call: PartialPrefill, over buffer: KVBuffer, observer: (any LayerObserver)?,
        scratch: LayerScratch, turn: EngineTurn
    ) throws(TesseraError) {
        try call.check(model, buffer)
        self.model = model
        self.call = call
        self.buffer = buffer
        self.observer = observer
        self.scratch = scratch
        self.turn = turn
        spans = KeyAttention.Span.all(of: call)
        let positions = buffer.positions
        self.positions = positions
        let count = call.slots.count
        rows = call.slots.enumerated().map { Row(slot: $1, origin: $0) }
        angles = model.rotary.angles(at: call.slots.map { positions[$0] })
        stream = try ResidualStream(model, rows: count, scratch: scratch)
        keysAndValues = try scratch.keysAndValues.reserve(count * 2 * buffer.layout.width, of: Float.self)
    }

    mutating func run() throws(TesseraError) -> PrefillOutput {
        switch call.input {
        case .tokens(let tokens): try model.embed(tokens, into: stream.residual)
        case .embeddings(let numbers): numbers.withUnsafeBufferPointer { copy($0, to: stream.residual) }
        case .mixed(let tokens, let runs):
            try model.embed(tokens, into: stream.residual)
            for run in runs {
                run.embeddings.withUnsafeBufferPointer {
                    copy($0, to: stream.residual, at: run.rows.lowerBound * model.configuration.width)
                }
            }
        }
        for layer in 0..<model.configuration.layers {
            guard !turn.isCancelled else { throw TesseraError(.cancelled, "the prefill was cancelled") }
            try compute(layer)
        }
        return PrefillOutput(
            logits: try logits(), slots: rows.map(\.slot), computedRows: computedRows, waited: turn.givenAway)
    }

    private mutating func compute(_ layer: Int) throws(TesseraError) {
        let needs = observer?.needs(of: layer) ?? .nothing
        try check(needs)
        try observer?.layerBegins(layer)
        let weights = model.weights.layers[layer]
        try projectKeysAndValues(weights)
        let displaced = needs.displaced ? present(layer) : nil
        store(layer)
        let queries =
            needs.queries ? try projectQueries(of: rows.indices, weights, into: scratch.queries) : nil
        let kept = try select(layer, needs) { () throws(TesseraError) in
            try projection(layer, weights, needs, queries, displaced)
        }
        narrow(to: kept, queries)
        computedRows.append(rows.count)
        try attend(layer, weights, needs, queries)
    }

    /// Which of the present rows go on, by their index.
    private func select(
        _ layer: Int, _ needs: LayerNeeds, _ projection: () throws(TesseraError) -> LayerProjection
    ) throws(TesseraError) -> [Int] {
        var kept = Array(rows.indices)
        if let observer, let chosen = try observer.select(projection()) {
            kept = try indices(of: chosen)
            guard kept.suffix(trailing).map({ rows[$0].slot }) == Array(call.slots.suffix(trailing)) else {
                throw TesseraError(
                    .invalidInput, "layer \(layer) was narrowed without the last rows, whose logits were asked for")
            }
        }
        guard layer == model.configuration.layers - 1, call.logits != .all else { return kept }
        let watched = Set(needs.attentionOf + needs.receivedFrom)
            .union(needs.ablation?.rows ?? []).union(needs.masses?.rows ?? [])
        let wanted = Set(kept.suffix(trailing))
        return kept.filter { watched.contains(rows[$0].slot) || wanted.contains($0) }
    }

    /// Lets what is urgent go first.
    func giveWay() { turn.giveWay() }

    /// How many of the last rows have to reach the end.
    var trailing: Int {
        if case .trailing(let count) = call.logits { count } else { 0 }
    }

    /// The indices of rows with these slots.
    private func indices(of slots: [Int]) throws(TesseraError) -> [Int] {
        var kept: [Int] = []
        var next = 0
        for slot in slots {
            while next < rows.count, rows[next].slot < slot { next += 1 }
            guard next < rows.count, rows[next].slot == slot else {
                throw TesseraError(
                    .invalidInput, "the selected slots are not an ascending part of the rows that are computed")
            }
            kept.append(next)
            next += 1
        }
        return kept
    }

    /// Drops all other rows from the residual stream and from the queries, where there are any.
    private mutating func narrow(to kept: [Int], _ queries: UnsafeMutablePointer<Float>?) {
        guard kept.count < rows.count else { return }
        let (width, queryWidth) = (model.configuration.width, model.configuration.queryWidth)
        for (row, index) in kept.enumerated() where row != index {
            (stream.residual + row * width).update(from: stream.residual + index * width, count: width)
            if let queries {
                (queries + row * queryWidth).update(from: queries + index * queryWidth, count: queryWidth)
            }
        }
        rows = kept.map { rows[$0] }
    }

    /// Writes the fresh keys, rotated, and values of all rows into the buffer.
    private func store(_ layer: Int) {
        let layout = buffer.layout
        guard let keys = buffer.keys(of: layer).baseAddress, let values = buffer.values(of: layer).baseAddress else {
            return
        }
        model.team.run(rows: rows.count, width: 2 * layout.width) { range in
            for index in range {
                let fresh = keysAndValues + index * 2 * layout.width
                let place = buffer.row(of: rows[index].slot, in: layer) * layout.width
                angles.rotate(
                    fresh, row: rows[index].origin, heads: layout.heads, dimension: layout.headDimension,
                    into: keys + place)
                (values + place).update(from: fresh + layout.width, count: layout.width)
            }
        }
    }
}

private func copy(
    _ source: UnsafeBufferPointer<Float>, to place: UnsafeMutablePointer<Float>?, at offset: Int = 0
) {
    guard let place, let start = source.baseAddress else { return }
    (place + offset).update(from: start, count: source.count)
}
