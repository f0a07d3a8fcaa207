// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

extension LowRankBasis {
    /// Keeps the leading principal directions of calibration KV.
    ///
    /// The ranks of all heads are chosen together by ``ranks(of:budget:)``. Each head's eigenvalues are first divided by
    /// the sum of those of all heads of its layer's keys, or values: what a layer does with its values does not depend on
    /// how large its keys are.
    ///
    /// - Parameters:
    ///   - moments: Sums over the calibration text.
    ///   - share: The mean of rank / dimension over all heads, above 0 and at most 1.
    /// - Throws: ``TesseraError`` of code `invalidInput` when a layer has no tokens or numbers that are not finite.
    /// - Complexity: heads · dimension³.
    public init(_ moments: KVMoments, share: Double) throws(TesseraError) {
        precondition(share > 0 && share <= 1, "a share of the ranks")
        guard moments.tokens.allSatisfy({ $0 > 0 }) else {
            throw TesseraError(.invalidInput, "a basis needs calibration tokens in every layer")
        }
        let (layout, dimension) = (moments.layout, moments.layout.headDimension)
        var (directions, weights, means): ([[Double]], [[Double]], [[Double]]) = ([], [], [])
        for layer in 0..<layout.layers {
            for part in KVPart.allCases {
                var spectra: [[Double]] = []
                for head in 0..<layout.heads {
                    let covariance = moments.covariance(of: part, layer: layer, head: head)
                    guard covariance.allSatisfy(\.isFinite) else {
                        throw TesseraError(.invalidInput, "calibration numbers of layer \(layer) are not finite")
                    }
                    let (values, vectors) = try LAPACK.eigen(lower: covariance, order: dimension)
                    spectra.append(values.reversed().map { max(0, $0) })
                    directions.append(
                        (0..<dimension).reversed().flatMap { vectors[$0 * dimension..<($0 + 1) * dimension] })
                    means.append(moments.mean(of: part, layer: layer, head: head))
                }
                let total = spectra.reduce(0) { $0 + $1.reduce(0, +) }
                weights += spectra.map { $0.map { total > 0 ? $0 / total : 0 } }
            }
        }
        let budget = Int((Double(weights.count * dimension) * share).rounded())
        let ranks = Self.ranks(of: weights, budget: budget)
        self.init(
            layout,
            ranks.indices.map { head in
                Head(
                    mean: means[head].map { Float($0) },
                    directions: directions[head].prefix(ranks[head] * dimension).map { Float($0) })
            })
    }
}
