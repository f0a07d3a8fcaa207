// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// How much each token of a run matters in a layer, by the attention of some of the run's own rows.
///
/// ZipCache (arXiv 2405.14256), §4: the attention that tokens receive from probes, the last rows and some at random, as
/// ``TokenSaliency`` counts it. Deviations: query heads are averaged, because a token has one number of bits in all heads;
/// and of a long run fewer than 5 % of each kind are probes, so that their attention takes some megabytes and not more.
package struct ProbedSaliency {
    /// The slots of the run.
    private let run: Range<Int>
    /// The probes, counted from the run's first row.
    private let probes: [Int]

    /// The most probes of each kind.
    private static let mostProbes = 32.0
    /// What the draw of probes begins with: the same run is always encoded alike.
    private static let seed: UInt64 = 1

    /// Chooses the probes of a run.
    package init(of run: Range<Int>) {
        self.run = run
        let share = min(0.05, Self.mostProbes / Double(max(1, run.count)))
        probes = TokenSaliency.probeRows(of: run.count, recent: share, random: share, seed: Self.seed)
    }

    /// The slots whose attention is wanted.
    package var slots: [Int] { probes.map { run.lowerBound + $0 } }

    /// A number for each token of the run; nil where the attention is not to be had.
    ///
    /// - Parameter attention: That of ``slots``, over all keys up to the end of the run.
    package func saliency(_ attention: LayerAttention?) -> [Float]? {
        let (keys, tokens) = (run.upperBound, run.count)
        guard let attention, attention.slots == slots, attention.probabilities.count % (probes.count * keys) == 0 else {
            return nil
        }
        let heads = attention.probabilities.count / (probes.count * keys)
        var means = [Float](repeating: 0, count: probes.count * tokens)
        for row in probes.indices {
            for head in 0..<heads {
                let start = (row * heads + head) * keys + run.lowerBound
                for token in 0..<tokens {
                    means[row * tokens + token] += attention.probabilities[start + token] / Float(heads)
                }
            }
        }
        return TokenSaliency.normalisedAttention(means, probes: probes, tokens: tokens)
    }
}
