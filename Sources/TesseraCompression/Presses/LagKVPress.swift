// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraKV

/// Keeps the tokens whose keys and values stand out from what follows them, evenly over the prompt and without any query.
///
/// LagKV (Liang et al., arXiv 2504.04704), §3. Behind the sinks the prompt is cut into partitions of `lag` tokens. With the
/// least and the largest number of each channel in the *next* partition, a partition's vectors are brought to
/// u = (x − min) / (max − min); a token's score is the softmax, over the partition, of the standard deviation of its u over
/// channels, for keys and values alike, averaged. What counts is the rank inside the partition, so that each is thinned
/// alike. Sinks, the last whole partition and the rest behind it stay; a prompt of less than sinks + 2 · lag tokens
/// stays whole, as far as the budget lets it.
public struct LagKVPress: Press {
    /// The first tokens that stay.
    public var sinks: Int
    /// The tokens of a partition.
    public var lag: Int

    /// A press of its two lengths.
    public init(sinks: Int = 4, lag: Int = 128) {
        self.sinks = sinks
        self.lag = lag
    }

    /// `lagkv`.
    public var name: String { "lagkv" }
    /// Nothing.
    public var needs: PressNeeds { PressNeeds() }

    /// Ranks from 0 to 1, and 1 for what stays.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a lag below 2 or sinks below 0, and for keys or values that
    ///   are not finite.
    public func scores(of view: LayerView) throws(TesseraError) -> TokenScores {
        guard lag > 1, sinks >= 0 else {
            throw TesseraError(.invalidInput, "LagKV takes partitions of 2 tokens or more and no negative sinks")
        }
        // Ranks are numbers whatever they rank.
        try view.requireFinite(view.keys, for: self)
        try view.requireFinite(view.values, for: self)
        let partitions = max(0, view.tokens - sinks) / lag
        let dimension = view.layout.headDimension
        return TokenScores(
            heads: (0..<view.layout.heads).map { head in
                var scores = [Float](repeating: 1, count: view.tokens)
                guard partitions > 1 else { return scores }
                let (keys, values) = (view.rows(view.keys, head), view.rows(view.values, head))
                for partition in 0..<partitions - 1 {
                    let first = sinks + partition * lag
                    let key = spread(keys, from: first, dimension)
                    let value = spread(values, from: first, dimension)
                    let raw = zip(key, value).map { ($0 + $1) / 2 }
                    for (rank, token) in raw.indices.sorted(by: { (raw[$0], $0) < (raw[$1], $1) }).enumerated() {
                        scores[first + token] = Float(rank) / Float(lag)
                    }
                }
                return scores
            })
    }

    /// The softmax, over a partition, of how widely each token's normalised vector spreads over its channels. A channel
    /// that is constant in the next partition says nothing and counts as 0.
    private func spread(_ rows: [Float], from first: Int, _ dimension: Int) -> [Double] {
        var least = Array(rows[(first + lag) * dimension..<(first + lag + 1) * dimension])
        var largest = least
        for token in first + lag..<first + 2 * lag {
            for channel in 0..<dimension {
                let number = rows[token * dimension + channel]
                least[channel] = min(least[channel], number)
                largest[channel] = max(largest[channel], number)
            }
        }
        // Doubles hold the differences of any Floats.
        let scales = zip(least, largest).map { $0 < $1 ? 1 / (Double($1) - Double($0)) : 0 }
        var normalised = [Double](repeating: 0, count: dimension)
        return softmax(
            (first..<first + lag).map { token in
                for channel in 0..<dimension {
                    let number = Double(rows[token * dimension + channel])
                    normalised[channel] = (number - Double(least[channel])) * scales[channel]
                }
                return meanAndDeviation(normalised).deviation
            })
    }
}
