// SPDX-License-Identifier: Apache-2.0

internal import Tessera
internal import TesseraKV

extension ComputedPrompt {
    /// The same prompt with the keys and values of its contexts as a codec keeps them, each context by itself, as the
    /// store does it; what stands around them stays as it is.
    ///
    /// - Returns: The buffer with room for what follows, and the bytes of a token of the contexts.
    func rounded(by codec: any KVCodec, room: Int) throws(TesseraError) -> (buffer: KVBuffer, bytes: Double) {
        let layout = runtime.model.layout
        let contexts = tokens.contexts.isEmpty ? [0..<length] : tokens.contexts
        let rounded = try KVBuffer(layout: layout, capacity: length + room)
        for layer in 0..<layout.layers {
            let whole = buffer.rows(0..<length, of: layer)
            _ = rounded.keys(of: layer).update(fromContentsOf: whole.keys)
            _ = rounded.values(of: layer).update(fromContentsOf: whole.values)
        }
        var bytes = 0
        for context in contexts {
            let saliency = codec.usesSaliency ? try saliency(of: context, over: rounded) : nil
            bytes += try round(context, by: codec, saliency, in: rounded)
        }
        return (rounded, Double(bytes) / Double(contexts.reduce(0) { $0 + $1.count }))
    }

    /// Puts a context's rows through a codec.
    ///
    /// - Returns: The bytes that it took.
    private func round(
        _ context: Range<Int>, by codec: any KVCodec, _ saliency: [[Float]?]?, in rounded: KVBuffer
    ) throws(TesseraError) -> Int {
        let (layout, rotary) = (runtime.model.layout, runtime.model.rotary)
        let positions = Array(buffer.positions[context])
        var bytes = 0
        for layer in 0..<layout.layers {
            let (turned, values) = buffer.rows(context, of: layer)
            var keys = turned
            rotary.inverseAngles(at: positions).turn(
                &keys, heads: layout.heads, headDimension: layout.headDimension)
            let record = try codec.encode(
                keys: keys, values: values, layout: layout,
                hints: EncodingHints(layer: layer, saliency: saliency?[layer]))
            bytes += record.count
            try codec.place(
                record, tokens: context.count, into: rounded, layer: layer, at: context.lowerBound,
                angles: rotary.angles(at: positions))
        }
        return bytes
    }

    /// How much the tokens of a context matter in each layer, as the store finds out when it encodes one.
    ///
    /// - Parameter copy: The whole prompt; its probes are computed again.
    private func saliency(of context: Range<Int>, over copy: KVBuffer) throws(TesseraError) -> [[Float]?] {
        let probes = ProbedSaliency(of: context)
        let watch = ProbeWatch(probes)
        _ = try runtime.prefill(
            PartialPrefill(
                input: tokens.frames.input(tokens.ids, at: probes.slots), slots: probes.slots,
                keyCount: context.upperBound, logits: .none), over: copy, observer: watch)
        return watch.layers
    }
}

/// Takes down what the probes of a context say in every layer.
private final class ProbeWatch: LayerObserver {
    private let probes: ProbedSaliency
    private(set) var layers: [[Float]?] = []

    init(_ probes: ProbedSaliency) { self.probes = probes }

    func needs(of layer: Int) -> LayerNeeds { LayerNeeds(attentionOf: probes.slots) }
    func layerAttended(_ attention: LayerAttention) { layers.append(probes.saliency(attention)) }
}
