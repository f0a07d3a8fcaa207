// SPDX-License-Identifier: Apache-2.0

/// CacheBlend's loading controller: how much to recompute while stored KV is on its way.
///
/// CacheBlend (Yao et al., EuroSys 2025), §5: as long as loading takes longer than recomputing, the rest of that time is
/// free, so the ratio is max(r_eq, r*), where r_eq is the ratio whose computation takes as long as the load. Where it is 1
/// or more, loading loses to computing everything, and the cache is better left alone.
public enum LoadingController {
    /// The ratio to use.
    ///
    /// - Parameters:
    ///   - least: r*, the least ratio that keeps the model's quality.
    ///   - load: Seconds to bring the stored KV in, as far as that runs beside the computation.
    ///   - prefill: Seconds to compute all of the tokens.
    /// - Returns: The ratio, 0 … 1; nil where the cache is to be left alone.
    public static func ratio(least: Double, load: Double, prefill: Double) -> Double? {
        guard prefill > 0 else { return nil }
        let equal = load / prefill
        return equal >= 1 ? nil : max(equal, least)
    }
}
