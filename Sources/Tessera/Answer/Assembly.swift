// SPDX-License-Identifier: Apache-2.0

public import TesseraKV
public import TesseraReuse

/// How a prompt's KV comes about.
public enum Assembly: Sendable, Hashable, Codable {
    /// A full prefill, or a true shared prefix and a prefill of the rest: what the model itself would have computed.
    case exact
    /// Stored chunks at their own positions, the tokens that the selector picks computed anew.
    ///
    /// `ratio` is the share of the reused tokens to pick, 0 … 1, for selectors that take one; `variants` says which of a
    /// chunk's stored KVs may be used.
    case stitched(Selector, ratio: Double, variants: VariantUse = .best)
    /// Stored chunks side by side, as if each alone stood behind the recipe's prefix; the order of the contexts means
    /// nothing.
    ///
    /// APE (Yang et al., ICLR 2025), §4: attention to the contexts has a temperature and a scale, which are measured per
    /// model (`tessera calibrate`); with 1 and 1 it is plain attention over all of them. Nothing is computed anew. The
    /// prompt begins with the recipe's prefix; what stood in front of the contexts follows them, as far as it is not that
    /// prefix.
    case parallel(temperature: Double = 1, scale: Double = 1)

    /// CacheBlend's selection of 15 % of the tokens, the paper's default.
    public static let `default` = Assembly.stitched(.deviation, ratio: 0.15)

    /// The assembly's name in options and reports.
    public var name: String {
        switch self {
        case .exact: "exact"
        case .stitched: "stitched"
        case .parallel: "parallel"
        }
    }
}

/// Which of the KVs that the store has of a chunk may be used.
public enum VariantUse: String, Sendable, Hashable, Codable, CaseIterable {
    /// The one that fits the chunk's place best (``TesseraReuse/VariantFit``): one that was captured behind other chunks
    /// where most of what coloured it stands there again, else the one that was encoded alone. Cache-Craft (§3) knows no
    /// chunks that were encoded alone and takes the smallest fix overhead whatever it is; but a variant whose old
    /// neighbours are gone has their words in it (`tessera bench quality`: rows "contextual" against "isolated").
    case best
    /// One that was captured behind other chunks, though none of them stands there now, as FusionRAG's offline stage
    /// prepares them (`tessera warm --neighbours`); the one that was encoded alone where there is no other.
    case contextual
    /// Only the one that was encoded alone.
    case isolated
}

extension Assembly {
    /// Checks what a caller chose.
    ///
    /// - Parameter layers: The layers of the model.
    /// - Throws: ``TesseraError`` of code `invalidInput`, naming what is out of range.
    public func validate(layers: Int) throws(TesseraError) {
        switch self {
        case .exact: break
        case .stitched(let selector, let ratio, _):
            guard ratio >= 0, ratio <= 1 else {
                throw TesseraError(.invalidInput, "a recompute ratio is between 0 and 1, not \(ratio)")
            }
            try selector.validate(layers: layers)
        case .parallel(let temperature, let scale):
            for (name, value) in [("temperature", temperature), ("scale", scale)] {
                guard ParallelContexts.factors.contains(Float(value)) else {
                    let range = "\(ParallelContexts.factors.lowerBound) to \(ParallelContexts.factors.upperBound)"
                    throw TesseraError(.invalidInput, "the \(name) of parallel contexts is \(range), not \(value)")
                }
            }
        }
    }
}

extension Selector {
    /// Checks counts and layers.
    fileprivate func validate(layers: Int) throws(TesseraError) {
        switch self {
        case .firstK(let count) where count < 0:
            throw TesseraError(.invalidInput, "firstK takes a count of 0 or more, not \(count)")
        case .deviationAttention(_, let repairs) where repairs < 0:
            throw TesseraError(.invalidInput, "repairs while decoding are 0 or more, not \(repairs)")
        case .storedScore(let options):
            guard let alpha = options.alpha, !(alpha >= 0 && alpha.isFinite) else { break }
            throw TesseraError(.invalidInput, "Cache-Craft's alpha is 0 or more, not \(alpha)")
        default: break
        }
        // A model of one layer has none to check: there the default computes everything.
        if let layer = checkLayer, layer < 1 || layer >= max(2, layers) {
            throw TesseraError(
                .invalidInput,
                "\(name) can't be measured in layer \(layer): this model has the layers 0 to \(layers - 1), and layer 0 "
                    + "does not depend on the context")
        }
    }
}
