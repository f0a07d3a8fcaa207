// SPDX-License-Identifier: Apache-2.0

/// The attention that keys receive from some rows: Σ over the rows of the mean over query heads.
///
/// KVShare (arXiv 2503.16525v2), §4, weighs deviation with it; FusionRAG (arXiv 2601.12904), §4, picks by it.
///
/// - Parameters:
///   - probabilities: (row, query head, key).
///   - heads: Query heads.
///   - keys: Keys of each row.
/// - Returns: One number per key.
public func attentionReceived(_ probabilities: [Float], heads: Int, keys: Int) -> [Float] {
    precondition(heads > 0 && keys > 0 && probabilities.count % (heads * keys) == 0, "whole rows of probabilities")
    var sums = [Float](repeating: 0, count: keys)
    for start in stride(from: 0, to: probabilities.count, by: keys) {
        for key in 0..<keys { sums[key] += probabilities[start + key] }
    }
    let share = 1 / Float(heads)
    return sums.map { $0 * share }
}

/// KVShare's score of a reused token: the attention that it receives × how far its values deviate.
///
/// KVShare (arXiv 2503.16525v2), §4: their product bounds the change of the attention's output, so a token that deviates
/// and that nobody reads is passed over.
///
/// - Parameters:
///   - deviations: ‖ΔV‖₁ of each token (``absoluteDeviations(fresh:stored:width:)``).
///   - received: The attention that each receives.
public func attendedDeviations(_ deviations: [Float], received: [Float]) -> [Float] {
    precondition(deviations.count == received.count, "one attention for each deviation")
    return zip(deviations, received).map { $0 * $1 }
}
