// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraReuse

extension Assembly {
    /// Everything that tells it from others, for people.
    public var label: String {
        switch self {
        case .exact: return "exact"
        case .parallel(let temperature, let scale):
            return String(format: "parallel, T %.2g, S %.2g", temperature, scale)
        case .stitched(let selector, let ratio, let variants):
            var text = selector.name
            switch selector {
            case .firstK(let count): text += " \(count)"
            case .deviation(let layer, let compared, let gradual):
                if compared == .keys { text += " of K" }
                if gradual { text += ", gradual" }
                text += ", layer \(layer)"
            case .deviationAttention(let layer, let repairs):
                text += ", layer \(layer)"
                if repairs > 0 { text += ", \(repairs) repairs a token" }
            case .storedScore(let options):
                if let alpha = options.alpha { text += String(format: ", α %.2g", alpha) }
                if options.score == .mean { text += " by the mean" }
                if options.focuses { text += ", focused" }
            case .none, .question, .random, .all: break
            }
            if selector.takesRatio { text += String(format: ", %.3g %%", ratio * 100) }
            if variants != .best { text += ", \(variants.rawValue)" }
            return text
        }
    }
}
