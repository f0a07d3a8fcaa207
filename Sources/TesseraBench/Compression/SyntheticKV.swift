// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraCompression
internal import TesseraKV

/// Keys and values with what is hard on codecs, drawn at random.
///
/// As published for Llama models (KIVI, arXiv 2402.02750, §3): a few channels of keys, the same for all tokens, lie far from
/// 0 and spread far; values have no such channels, but tokens differ in size. Neighbouring channels of keys are
/// correlated, so that there is something for a low-rank codec to find.
struct SyntheticKV {
    /// The shape.
    let layout: KVLayout
    /// Tokens of the chunk.
    let tokens: Int
    /// By layer, (token, KV head, dimension).
    private(set) var keys: [[Float]] = []
    private(set) var values: [[Float]] = []

    init(_ layout: KVLayout, tokens: Int, seed: UInt64) {
        (self.layout, self.tokens) = (layout, tokens)
        var random = SplitMix64(seed: seed)
        for _ in 0..<layout.layers {
            let offsets = (0..<layout.width).map { $0 % 29 == 3 ? Float(random.normal() * 8) : 0 }
            let scales = (0..<layout.width).map { $0 % 29 == 3 ? Float(4) : 1 }
            var (keys, values): ([Float], [Float]) = ([], [])
            for _ in 0..<tokens {
                var last: Float = 0
                for channel in 0..<layout.width {
                    last = 0.8 * last + 0.6 * Float(random.normal())
                    keys.append(offsets[channel] + scales[channel] * last)
                }
                let size = Float(exp(0.5 * random.normal()))
                for _ in 0..<layout.width { values.append(size * Float(random.normal())) }
            }
            self.keys.append(keys)
            self.values.append(values)
        }
    }

    /// The records of all layers.
    func encoded(by codec: any KVCodec) throws(TesseraError) -> [[UInt8]] {
        var records: [[UInt8]] = []
        for layer in 0..<layout.layers {
            records.append(
                try codec.encode(
                    keys: keys[layer], values: values[layer], layout: layout, hints: EncodingHints(layer: layer)))
        }
        return records
    }

    /// A codec of the leading directions of these numbers.
    func lowRank(_ share: Double) throws(TesseraError) -> LowRankCodec {
        var moments = KVMoments(layout: layout)
        for layer in 0..<layout.layers { moments.add(keys: keys[layer], values: values[layer], layer: layer) }
        return LowRankCodec(basis: try LowRankBasis(moments, share: share))
    }
}

extension SplitMix64 {
    /// A number of the normal distribution, by the method of Box and Muller.
    fileprivate mutating func normal() -> Double {
        let radius = sqrt(-2 * log(Double.random(in: 1e-12...1, using: &self)))
        return radius * cos(2 * .pi * Double.random(in: 0..<1, using: &self))
    }
}
