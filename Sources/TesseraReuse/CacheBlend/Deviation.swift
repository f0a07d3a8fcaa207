// SPDX-License-Identifier: Apache-2.0

/// How far each token's fresh vector lies from the stored one: Σ (fresh − stored)² over all KV heads and dimensions.
///
/// CacheBlend (Yao et al., EuroSys 2025), §4.2, in the squared form of the authors' code, which ranks alike.
///
/// - Parameters:
///   - fresh: Values or keys computed in the prompt, (token, KV head, dimension).
///   - stored: Those of the chunk store, same shape.
///   - width: Numbers per token.
/// - Returns: One deviation per token.
public func deviations(fresh: [Float], stored: [Float], width: Int) -> [Float] {
    summed(fresh, stored, width) { $0 * $0 }
}

/// How far each token's fresh vector lies from the stored one: Σ |fresh − stored|, as ``deviations(fresh:stored:width:)``.
///
/// KVShare (arXiv 2503.16525v2), §4, measures values so.
public func absoluteDeviations(fresh: [Float], stored: [Float], width: Int) -> [Float] {
    summed(fresh, stored, width) { abs($0) }
}

/// The indices of the `count` highest scores, ascending; of equal scores the lower index wins.
///
/// A score that is not a number ranks above all others: what can't be compared had better be computed anew.
public func indicesOfHighest(_ count: Int, in scores: [Float]) -> [Int] {
    let ranked = scores.indices.sorted { a, b in
        let (x, y) = (rank(scores[a]), rank(scores[b]))
        return x == y ? a < b : x > y
    }
    return ranked.prefix(count).sorted()
}

private func rank(_ score: Float) -> Float {
    score.isNaN ? .infinity : score
}

/// For each token, the sum of a function of the differences.
@inline(__always)
private func summed(_ fresh: [Float], _ stored: [Float], _ width: Int, _ term: (Float) -> Float) -> [Float] {
    precondition(fresh.count == stored.count && fresh.count % width == 0, "two arrays of the same whole tokens")
    return stride(from: 0, to: fresh.count, by: width).map { start in
        var sum: Float = 0
        for index in start..<start + width { sum += term(fresh[index] - stored[index]) }
        return sum
    }
}
