// SPDX-License-Identifier: Apache-2.0

internal import Tessera
internal import TesseraCompression
internal import TesseraKV

/// The keys and values of a context as they are when it is encoded alone, behind the model's beginning token.
struct IsolatedChunk {
    /// By layer, (token, KV head, dimension); keys before RoPE.
    let keys: [[Float]]
    let values: [[Float]]

    init(_ tokens: [TokenID], on runtime: any ModelRuntime) throws(TesseraError) {
        let prefix = runtime.tokenizer.beginning.map { [$0] } ?? []
        let all = prefix + tokens
        let buffer = try KVBuffer(layout: runtime.model.layout, capacity: all.count)
        let watch = ProjectionWatch()
        _ = try runtime.prefill(
            PartialPrefill(input: .tokens(all), slots: Array(all.indices), keyCount: all.count, logits: .none),
            over: buffer, observer: watch)
        let first = prefix.count * runtime.model.layout.width
        keys = watch.keys.map { Array($0[first...]) }
        values = watch.values.map { Array($0[first...]) }
    }
}

extension LowRankBasis {
    /// The basis of a model's keys and values of some texts.
    ///
    /// - Parameter share: The mean of rank ÷ dimension over all heads.
    init(of texts: [String], share: Double, on runtime: any ModelRuntime) throws(TesseraError) {
        var moments = KVMoments(layout: runtime.model.layout)
        for text in texts {
            let chunk = try IsolatedChunk(runtime.tokenizer.encode(text, special: false), on: runtime)
            for layer in chunk.keys.indices {
                moments.add(keys: chunk.keys[layer], values: chunk.values[layer], layer: layer)
            }
        }
        try self.init(moments, share: share)
    }
}

/// Takes down the fresh keys and values of every layer.
private final class ProjectionWatch: LayerObserver {
    private(set) var keys: [[Float]] = []
    private(set) var values: [[Float]] = []

    func needs(of layer: Int) -> LayerNeeds { LayerNeeds(keysAndValues: true) }

    func select(_ projection: LayerProjection) -> [Int]? {
        keys.append(projection.keys)
        values.append(projection.values)
        return nil
    }
}
