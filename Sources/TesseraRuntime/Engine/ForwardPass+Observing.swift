// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import TesseraKV

/// What an observer sees of a layer.
extension ForwardPass {
    /// Refuses needs that this call can't meet.
    func check(_ needs: LayerNeeds) throws(TesseraError) {
        for segment in needs.masses?.segments ?? [] {
            guard segment.lowerBound >= 0, segment.upperBound <= call.keyCount else {
                throw TesseraError(
                    .invalidInput, "the segment \(segment) of an attention mass exceeds the \(call.keyCount) keys")
            }
        }
        for kept in needs.ablation?.kept ?? [] {
            guard (0..<call.keyCount).contains(kept) else {
                throw TesseraError(.invalidInput, "the kept slot \(kept) exceeds the \(call.keyCount) keys")
            }
        }
        guard buffer.pressed == 0 || (needs.masses == nil && needs.ablation == nil) else {
            throw TesseraError(.unsupported, "slots of a pressed buffer can't be told apart by an observer")
        }
        guard spans.count > 1 else { return }
        guard
            needs.attentionAtSelection.isEmpty, needs.attentionOf.isEmpty, needs.receivedFrom.isEmpty,
            needs.ablation == nil, needs.masses == nil
        else {
            throw TesseraError(
                .unsupported, "attention over parallel contexts can't be watched; use a temperature and a scale of 1")
        }
    }

    // MARK: Before attention

    /// The keys and values that lie in the rows' slots, (row, KV head, dimension).
    func present(_ layer: Int) -> (keys: [Float], values: [Float]) {
        (inSlots(buffer.keys(of: layer), layer), inSlots(buffer.values(of: layer), layer))
    }

    /// What the observer selects by.
    ///
    /// - Parameters:
    ///   - queries: Those of all rows, before RoPE, if they were asked for.
    ///   - displaced: What the buffer held, if it was asked for.
    func projection(
        _ layer: Int, _ weights: LlamaWeights.Layer, _ needs: LayerNeeds, _ queries: UnsafeMutablePointer<Float>?,
        _ displaced: (keys: [Float], values: [Float])?
    ) throws(TesseraError) -> LayerProjection {
        let (width, keyWidth) = (model.configuration.width, buffer.layout.width)
        var projection = LayerProjection(layer: layer, slots: rows.map(\.slot))
        if needs.keysAndValues {
            projection.keys = gathered(keysAndValues, width: keyWidth, stride: 2 * keyWidth)
            projection.values = gathered(keysAndValues + keyWidth, width: keyWidth, stride: 2 * keyWidth)
        }
        if let queries {
            let queryWidth = model.configuration.queryWidth
            projection.queries = gathered(queries, width: queryWidth, stride: queryWidth)
        }
        if needs.residualNorms {
            projection.residualNorms = rows.indices.map { ck_norm(stream.residual + $0 * width, width) }
        }
        if let displaced {
            (projection.displacedKeys, projection.displacedValues) = displaced
            projection.placedKeys = inSlots(buffer.keys(of: layer), layer)
        }
        if !needs.attentionAtSelection.isEmpty {
            let chosen = rows(at: needs.attentionAtSelection)
            let queries = try projectQueries(of: chosen, weights, into: scratch.chosenQueries)
            rotate(queries, of: chosen)
            projection.attention = try probabilities(layer, WatchedRows(chosen, queries))
        }
        return projection
    }

    /// The first `width` numbers of every row.
    private func gathered(_ start: UnsafePointer<Float>, width: Int, stride: Int) -> [Float] {
        gathered(rows.indices.lazy.map { start + $0 * stride }, width: width)
    }

    /// What an array of the buffer holds in the rows' slots.
    private func inSlots(_ array: UnsafeMutableBufferPointer<Float>, _ layer: Int) -> [Float] {
        guard let start = array.baseAddress else { return [] }
        let width = buffer.layout.width
        return gathered(
            rows.lazy.map { UnsafePointer(start + buffer.row(of: $0.slot, in: layer) * width) }, width: width)
    }

    private func gathered(_ places: some Collection<UnsafePointer<Float>>, width: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: places.count * width) { out, count in
            guard let out = out.baseAddress else { return }
            for place in places {
                (out + count).update(from: place, count: width)
                count += width
            }
        }
    }
}
