// SPDX-License-Identifier: Apache-2.0

/// SplitMix64 (Steele, Lea, Flood, 2014): the seeded source of every random test input.
public struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// Starts a sequence; equal seeds give equal sequences on every machine.
    public init(seed: UInt64) {
        state = seed
    }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

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
