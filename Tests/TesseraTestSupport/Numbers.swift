// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

extension SplitMix64 {
    /// Numbers drawn evenly from −scale … scale.
    public mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
        (0..<count).map { _ in Float.random(in: -scale...scale, using: &self) }
    }
}

/// The largest absolute difference of two equally long lists; infinity where their lengths differ.
public func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count else { return .infinity }
    return zip(a, b).map { abs($0 - $1) }.max() ?? 0
}
