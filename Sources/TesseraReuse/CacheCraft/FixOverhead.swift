// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Cache context impact (CCI): how much of what a chunk says depends on what stood before it.
///
/// Cache-Craft (Agarwal et al., SIGMOD 2025), §3, eq. 9–11: 1 ÷ (1 + e^(−ā/b̄)), where ā is the attention that the chunk
/// paid to each earlier chunk, normalised by both lengths and summed, and b̄ the attention within it, normalised by its
/// length squared; both are means over layers. As ā/b̄ is never negative the value is ½ … 1, though the paper speaks of 0
/// … 1.
///
/// - Parameters:
///   - outside: ā.
///   - inside: b̄; where it is 0 all attention goes outside, and the impact is 1.
public func contextImpact(outside: Double, inside: Double) -> Double {
    guard inside > 0 else { return outside > 0 ? 1 : 0.5 }
    return 1 / (1 + exp(-outside / inside))
}

/// Cache fix overhead (CFO): the share of a chunk's tokens to compute anew before it can be reused; 1 is all of it.
///
/// Cache-Craft, §3, eq. 12: α · CCI · (1 − β′), kept within 0 … 1.
///
/// - Parameters:
///   - alpha: The trade of computation for quality; the smallest one that meets a quality target is found per model (eq.
///     13; `tessera gate`).
///   - impact: ``contextImpact(outside:inside:)``.
///   - overlap: ``adjustedOverlap(_:orderPenalty:)``.
public func fixOverhead(alpha: Double, impact: Double, overlap: Double) -> Double {
    min(1, max(0, alpha * impact * (1 - overlap)))
}

/// The number of tokens that a fix overhead stands for: ⌈CFO · n⌉ (Cache-Craft, §3, eq. 14).
public func fixBudget(overhead: Double, tokens: Int) -> Int {
    recomputeBudget(ratio: overhead, tokens: tokens)
}
