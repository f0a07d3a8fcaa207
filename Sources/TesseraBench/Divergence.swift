// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// The Kullback–Leibler divergence KL(p ‖ q) of two next-token distributions, in nats, from their logits.
///
/// - Parameters:
///   - p: Logits of the reference.
///   - q: Logits of what is compared, as many.
/// - Returns: 0 or more; rounding below 0 is cut off.
public func divergence(from p: [Float], to q: [Float]) -> Double {
    ReferenceDistributions(p, vocabulary: p.count).meanDivergence(to: q)
}

/// Next-token distributions that many others are compared with, from logits of shape (row, vocabulary).
struct ReferenceDistributions {
    private let vocabulary: Int
    private let probabilities: [Double]
    /// Σ p · logit of each row; less its normalizer, that is minus the row's entropy.
    private let information: [Double]
    private let normalizers: [Double]

    init(_ logits: [Float], vocabulary: Int) {
        precondition(vocabulary > 0 && logits.count % vocabulary == 0, "whole rows of one vocabulary")
        let rows = stride(from: 0, to: logits.count, by: vocabulary).map { logits[$0..<$0 + vocabulary] }
        self.vocabulary = vocabulary
        normalizers = rows.map(logSumExp)
        probabilities = zip(rows, normalizers).flatMap { row, normalizer in row.map { exp(Double($0) - normalizer) } }
        information = zip(rows, 0...).map { [probabilities] row, index in
            zip(row, probabilities[index * vocabulary..<(index + 1) * vocabulary]).reduce(0) {
                $0 + $1.1 * Double($1.0)
            }
        }
    }

    /// The mean over rows of KL(reference ‖ q), in nats, from logits of the same shape; NaN where a logit is.
    func meanDivergence(to logits: [Float]) -> Double {
        precondition(logits.count == probabilities.count, "two sets of distributions over one vocabulary")
        return mean(
            normalizers.indices.map { row in
                let slots = row * vocabulary..<(row + 1) * vocabulary
                let cross = zip(probabilities[slots], logits[slots]).reduce(0) { $0 + $1.0 * Double($1.1) }
                let divergence = information[row] - normalizers[row] - cross + logSumExp(logits[slots])
                return divergence < 0 ? 0 : divergence
            })
    }
}

/// The logarithm of a softmax's denominator, in double precision.
private func logSumExp(_ logits: ArraySlice<Float>) -> Double {
    let highest = Double(logits.max() ?? 0)
    return highest + log(logits.reduce(0.0) { $0 + exp(Double($1) - highest) })
}
