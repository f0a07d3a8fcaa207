// SPDX-License-Identifier: Apache-2.0

internal import Tessera
internal import TesseraKV

extension ComputedPrompt {
    /// The same prompt with the keys and values of its contexts as a codec keeps them, each context by itself, as the
    /// store does it; what stands around them stays as it is.
    ///
    /// - Returns: The buffer with room for what follows, and the bytes of a token of the contexts.
    func rounded(by codec: any KVCodec, room: Int) throws(TesseraError) -> (buffer: KVBuffer, bytes: Double) {
        let (layout, rotary) = (runtime.model.layout, runtime.model.rotary)
        let contexts = tokens.contexts.isEmpty ? [0..<length] : tokens.contexts
        let rounded = try KVBuffer(layout: layout, capacity: length + room)
        var bytes = 0
        for layer in 0..<layout.layers {
            let whole = buffer.rows(0..<length, of: layer)
            _ = rounded.keys(of: layer).update(fromContentsOf: whole.keys)
            _ = rounded.values(of: layer).update(fromContentsOf: whole.values)
            for context in contexts {
                let positions = Array(buffer.positions[context])
                let (turned, values) = buffer.rows(context, of: layer)
                var keys = turned
                rotary.inverseAngles(at: positions).turn(
                    &keys, heads: layout.heads, headDimension: layout.headDimension)
                let record = try codec.encode(
                    keys: keys, values: values, layout: layout, hints: EncodingHints(layer: layer))
                bytes += record.count
                try codec.place(
                    record, tokens: context.count, into: rounded, layer: layer, at: context.lowerBound,
                    angles: rotary.angles(at: positions))
            }
        }
        return (rounded, Double(bytes) / Double(contexts.reduce(0) { $0 + $1.count }))
    }
}
