// SPDX-License-Identifier: Apache-2.0

/// The share of the reused tokens' work that was done after all: token-layers computed ÷ all token-layers.
///
/// A ratio of 15 % by deviation computes more than 15 %, because the layers before the selection are computed whole;
/// both numbers belong side by side.
///
/// - Parameters:
///   - computedReused: For each layer, the number of reused tokens that went through attention and feed-forward.
///   - reused: The number of reused tokens.
/// - Returns: 0 … 1; 0 where nothing is reused.
public func effectiveRecompute(computedReused: [Int], reused: Int) -> Double {
    guard reused > 0, !computedReused.isEmpty else { return 0 }
    return Double(computedReused.reduce(0, +)) / Double(reused * computedReused.count)
}
