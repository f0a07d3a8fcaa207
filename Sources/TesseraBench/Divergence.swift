// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// The Kullback–Leibler divergence KL(p ‖ q) of two next-token distributions, in nats, from their logits.
///
/// - Parameters:
///   - p: Logits of the reference.
///   - q: Logits of what is compared, as many.
/// - Returns: 0 or more; rounding below 0 is cut off.
public func divergence(from p: [Float], to q: [Float]) -> Double {
    precondition(p.count == q.count && !p.isEmpty, "two distributions over one vocabulary")
    let (a, b) = (logSoftmax(p), logSoftmax(q))
    return max(0, zip(a, b).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) })
}

/// The mean of ``divergence(from:to:)`` over pairs of rows of shape (row, vocabulary).
func meanDivergence(from p: [Float], to q: [Float], vocabulary: Int) -> Double {
    mean(
        stride(from: 0, to: p.count, by: vocabulary).map { start in
            divergence(from: Array(p[start..<start + vocabulary]), to: Array(q[start..<start + vocabulary]))
        })
}

/// Logarithms of probabilities, in double precision.
private func logSoftmax(_ logits: [Float]) -> [Double] {
    let highest = Double(logits.max() ?? 0)
    let sum = logits.reduce(0.0) { $0 + exp(Double($1) - highest) }
    return logits.map { Double($0) - highest - log(sum) }
}
