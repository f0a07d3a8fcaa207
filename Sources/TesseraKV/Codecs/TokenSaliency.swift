// SPDX-License-Identifier: Apache-2.0

/// How much each token matters to those who attend to it.
public enum TokenSaliency {
    /// Normalised attention saliency: p̃_i = Σ_k A_{k,i} / nnz_i, where nnz_i counts the probe rows that can see token i
    /// (ZipCache, arXiv 2405.14256, §4.2).
    ///
    /// Sums without the divisor favour early tokens, which more rows can see. The released code divides by all rows that
    /// could see a token although only probe rows were summed; this divides by the probes. A token that no probe sees
    /// has saliency 0.
    ///
    /// - Parameters:
    ///   - attention: Softmax weights, (probe, token), of one head or the mean of several.
    ///   - probes: The row of each probe, which sees the tokens up to its own.
    ///   - tokens: The number of tokens.
    /// - Returns: A number for each token.
    public static func normalisedAttention(_ attention: [Float], probes: [Int], tokens: Int) -> [Float] {
        precondition(attention.count == probes.count * tokens, "a weight for each probe and token")
        return (0..<tokens).map { token in
            var (sum, seeing) = (0.0, 0)
            for (row, probe) in probes.enumerated() where probe >= token {
                sum += Double(attention[row * tokens + token])
                seeing += 1
            }
            return seeing > 0 ? Float(sum / Double(seeing)) : 0
        }
    }

    /// The rows whose attention is worked out to judge tokens by: the most recent ones and some of the others at random
    /// (ZipCache, §4.3: 5 % each).
    ///
    /// - Parameters:
    ///   - rows: The number of rows of the prompt.
    ///   - recent: The share of rows that are taken from the end, at least one row.
    ///   - random: The share of rows that are drawn from those before, each at most once.
    ///   - seed: Equal seeds give equal rows.
    /// - Returns: Rows in ascending order, none twice.
    public static func probeRows(of rows: Int, recent: Double = 0.05, random: Double = 0.05, seed: UInt64) -> [Int] {
        precondition((0...1).contains(recent) && (0...1).contains(random), "shares of the rows")
        guard rows > 0 else { return [] }
        let last = min(rows, max(1, Int((Double(rows) * recent).rounded(.up))))
        let others = rows - last
        var generator = SplitMix64(seed: seed)
        // Floyd's sampling: each set of so many rows is as likely as any other.
        var drawn: Set<Int> = []
        for limit in others - min(others, Int((Double(rows) * random).rounded(.up)))..<others {
            let row = Int.random(in: 0...limit, using: &generator)
            drawn.insert(drawn.contains(row) ? limit : row)
        }
        return drawn.sorted() + Array(others..<rows)
    }

    /// Saliency by the keys alone, where nobody has asked anything yet (KeyDiff, arXiv 2504.15364): −cos(k, anchor), where
    /// the anchor is the mean of a head's unit keys, averaged over the heads. Keys that differ from the others draw more
    /// attention.
    ///
    /// The paper takes keys behind RoPE; those that are stored come before it. The first four tokens matter most: where
    /// they begin a prompt, all others attend to them.
    ///
    /// - Parameters:
    ///   - keys: Keys before RoPE, (token, KV head, dimension).
    ///   - layout: The shape of keys.
    /// - Returns: A number for each token, from −1 to 1, and 2 for the first four.
    public static func keyDifference(_ keys: [Float], layout: KVLayout) -> [Float] {
        let heads = keyDifferences(keys, layout: layout)
        return (0..<keys.count / layout.width).map { token in
            token < 4 ? 2 : Float(heads.reduce(0) { $0 + $1[token] / Double(heads.count) })
        }
    }

    /// The same by head, (KV head, token), with no token before the others: −cos(k, anchor), and 0 for a key of zeros.
    /// What is not finite makes a head's numbers NaN.
    package static func keyDifferences(_ keys: [Float], layout: KVLayout) -> [[Double]] {
        let (tokens, dimension) = (keys.count / layout.width, layout.headDimension)
        return (0..<layout.heads).map { head in
            var units = [Double](repeating: 0, count: tokens * dimension)
            var anchor = [Double](repeating: 0, count: dimension)
            for token in 0..<tokens {
                let start = token * layout.width + head * dimension
                let length = (0..<dimension).reduce(0) { $0 + Double(keys[start + $1]) * Double(keys[start + $1]) }
                    .squareRoot()
                guard length != 0 else { continue }
                for index in 0..<dimension {
                    let unit = Double(keys[start + index]) / length
                    units[token * dimension + index] = unit
                    anchor[index] += unit
                }
            }
            let length = anchor.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return (0..<tokens).map { token in
                guard length != 0 else { return 0 }
                return -(0..<dimension).reduce(0) { $0 + units[token * dimension + $1] * anchor[$1] } / length
            }
        }
    }
}
