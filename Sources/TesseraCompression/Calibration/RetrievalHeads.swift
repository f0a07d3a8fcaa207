// SPDX-License-Identifier: Apache-2.0

/// How much each query head of a layer gathers from the span that an answer is made of.
///
/// CompressKV (arXiv 2508.02401 v1), Eq. 5: S_h = Σ_t 1[y_t ∈ A] · Σ_{j ∈ A} α_{t,j}, over the tokens y_t of an answer and
/// the positions j of the needle A; whether y_t belongs to A is seen by its id. Deviation: a token whose id stands in the
/// needle several times counts once, where the authors' code counts it as often.
///
/// - Parameters:
///   - attention: Of the rows that computed the answer's tokens, (row, query head, key).
///   - heads: Query heads.
///   - counted: For each row, whether the token that it computed stands in the needle.
///   - span: The needle's keys.
/// - Returns: S of each query head.
public func retrievalScores(
    _ attention: [Float], heads: Int, counted: [Bool], span: Range<Int>
) -> [Double] {
    let keys = attention.count / max(1, counted.count * heads)
    precondition(
        attention.count == counted.count * heads * keys && span.upperBound <= keys, "whole rows, with the span")
    var scores = [Double](repeating: 0, count: heads)
    for row in counted.indices where counted[row] {
        for head in 0..<heads {
            let start = (row * heads + head) * keys
            for key in span { scores[head] += Double(attention[start + key]) }
        }
    }
    return scores
}

/// The heads with the highest scores, best first; of equal ones the lower.
public func bestHeads(_ count: Int, of scores: [Double]) -> [Int] {
    Array(scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(count))
}

/// How strongly the best heads of each layer gather, as parts of the strongest layer; 0 where none gathers anything.
///
/// The more a layer's heads gather answers, the more of what they look at while a prompt is read is what answers need.
///
/// - Parameters:
///   - scores: The retrieval score of each query head, by layer.
///   - count: How many of a layer's heads are its best.
public func retrievalStrengths(_ scores: [[Double]], heads count: Int) -> [Double] {
    let sums = scores.map { scores in bestHeads(count, of: scores).reduce(0) { $0 + scores[$1] } }
    let highest = sums.reduce(0, max)
    return highest > 0 ? sums.map { $0 / highest } : sums
}

/// How far a layer's output is off when it attends to a part of its keys.
///
/// CompressKV, §3.3: e = Σ_t ‖O_compressed − O_full‖ / (‖O_full‖ + ε) over rows t.
///
/// - Parameters:
///   - full: The attention block's outputs, (row, width).
///   - compressed: The same from the part of the keys.
///   - width: Numbers in a row.
public func evictionError(full: [Float], compressed: [Float], width: Int, epsilon: Double = 1e-6) -> Double {
    precondition(full.count == compressed.count && full.count % width == 0, "two arrays of the same whole rows")
    return stride(from: 0, to: full.count, by: width).reduce(0) { sum, start in
        var (difference, norm) = (0.0, 0.0)
        for index in start..<start + width {
            let delta = Double(compressed[index]) - Double(full[index])
            difference += delta * delta
            norm += Double(full[index]) * Double(full[index])
        }
        return sum + difference.squareRoot() / (norm.squareRoot() + epsilon)
    }
}
