// SPDX-License-Identifier: Apache-2.0

/// How many layers must be in place before the first is computed, so that the computation never waits.
///
/// Cache-Craft (Agarwal et al., SIGMOD 2025), §4.3, in the form that follows from (k − Lp) · load ≤ (k − 1) · compute for
/// every layer k: ⌈(L − 1) · (1 − compute ÷ load)⌉ + 1, and 1 where a layer is loaded in the time that it is computed in.
///
/// - Parameters:
///   - layers: The model's layers, L.
///   - load: Seconds to load a layer.
///   - compute: Seconds to compute one.
/// - Returns: 1 … L.
public func preloadDepth(layers: Int, load: Double, compute: Double) -> Int {
    guard layers > 1, load > compute, load > 0 else { return 1 }
    let depth = (Double(layers - 1) * (1 - compute / load)).rounded(.up)
    return min(layers, Int(depth) + 1)
}
