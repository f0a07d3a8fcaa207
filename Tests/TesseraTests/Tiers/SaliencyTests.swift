// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraStore
import TesseraTestSupport
import Testing

@testable import Tessera

@Suite struct `Saliency at ingest` {
    /// Takes down keys, values and the attention of some rows in every layer.
    private final class Look: LayerObserver {
        let rows: [Int]
        let layers: Int
        private(set) var projections: [LayerProjection] = []
        private(set) var attention: [LayerAttention] = []

        init(rows: [Int], layers: Int) { (self.rows, self.layers) = (rows, layers) }

        func needs(of layer: Int) -> LayerNeeds { LayerNeeds(keysAndValues: true, attentionOf: rows) }
        func select(_ projection: LayerProjection) -> [Int]? {
            projections.append(projection)
            return nil
        }
        func layerAttended(_ attention: LayerAttention) { self.attention.append(attention) }
    }

    @Test(arguments: [11, 60, 200])
    func `ZipCache gives 4 bits to the tokens that the chunk itself attends to`(tokens: Int) async throws {
        let options = ContextCacheOptions(precision: .fp32, storeCodec: .zipcache)
        try await withSmallCache(options: options) { cache in
            let chunk = randomPrompt(seed: 5, contexts: [tokens]).contexts[0].ids
            try await cache.ingest(chunks: [chunk])
            let record = try #require(try cache.chunkStore.record(cache.key(of: chunk)))
            let loaded = try #require(try cache.chunkStore.load(record))

            let (prefix, layout) = (cache.fingerprint.recipe, cache.model.layout)
            let probes = TokenSaliency.probeRows(of: tokens, seed: 1)
            let look = Look(rows: probes.map { prefix.count + $0 }, layers: layout.layers)
            let ids = prefix + chunk
            let buffer = try KVBuffer(layout: layout, capacity: ids.count)
            // In two steps, as chunks are encoded: of another number of rows the last bits are others.
            for (slots, observer) in [(prefix.indices, nil), (prefix.count..<ids.count, look)] {
                _ = try cache.runtime.prefill(
                    PartialPrefill(
                        input: .tokens(Array(ids[slots])), slots: Array(slots), keyCount: slots.upperBound,
                        logits: .none), over: buffer, observer: observer)
            }
            var others = 0
            for layer in 0..<layout.layers {
                let (heads, numbers) = (cache.model.queryHeads, tokens * layout.width)
                let all = look.attention[layer].probabilities
                var means: [Float] = []
                for row in probes.indices {
                    for key in prefix.count..<ids.count {
                        let sum = (0..<heads).reduce(0) { $0 + all[(row * heads + $1) * ids.count + key] }
                        means.append(sum / Float(heads))
                    }
                }
                let saliency = TokenSaliency.normalisedAttention(means, probes: probes, tokens: tokens)
                let keys = Array(look.projections[layer].keys.suffix(numbers))
                let values = Array(look.projections[layer].values.suffix(numbers))
                let codec = ZipCacheCodec()
                let expected = try codec.encode(
                    keys: keys, values: values, layout: layout, hints: EncodingHints(saliency: saliency))
                #expect(loaded.withLayer(layer) { $0.elementsEqual(expected) }, "layer \(layer)")
                if try codec.encode(keys: keys, values: values, layout: layout) != expected { others += 1 }
            }
            #expect(others > 0, "keys alone would have chosen others")
        }
    }

    @Test func `a long run has no more probes than their attention has room for`() throws {
        for tokens in [1, 2, 640, 20_000] {
            let probed = ProbedSaliency(of: 3..<3 + tokens)
            #expect((1...66).contains(probed.slots.count) && probed.slots.last == 2 + tokens)
            #expect(probed.saliency(nil) == nil)
        }
    }
}
