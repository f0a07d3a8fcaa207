// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A model's rotary position embedding (RoPE), reduced to what placement needs: one frequency per pair of dimensions.
///
/// Su et al., *RoFormer* (2021), §3.4.2. The pair i of a head at position p turns by the angle p · `frequencies[i]`.
/// Angles are computed in fp32, as the models' reference implementations do.
public struct RotaryTable: Sendable, Hashable {
    /// Which two dimensions of a head form a pair.
    public enum Pairing: String, Sendable, Hashable, Codable {
        /// Dimensions 2i and 2i + 1, as in GGUF files of the `llama` architecture.
        case interleaved
        /// Dimensions i and i + d/2, as in the checkpoints of GPT-NeoX and most others.
        case halves
    }

    /// Radians per position for each pair; twice as many dimensions are rotated, any others are left alone.
    public let frequencies: [Float]
    /// Which dimensions form a pair.
    public let pairing: Pairing
    /// The factor on cosine and sine (YaRN's attention factor); 1 for most models.
    public let magnitude: Float

    /// Makes a table of known frequencies.
    public init(frequencies: [Float], pairing: Pairing, magnitude: Float = 1) {
        self.frequencies = frequencies
        self.pairing = pairing
        self.magnitude = magnitude
    }

    /// The plain table: frequency i is base^(−2i / dimensions).
    ///
    /// - Parameters:
    ///   - dimensions: The number of rotated dimensions of a head; even.
    ///   - base: RoPE's θ.
    ///   - pairing: Which dimensions form a pair.
    public init(dimensions: Int, base: Float, pairing: Pairing) {
        self.init(
            frequencies: stride(from: 0, to: dimensions, by: 2).map { i in
                Float(1 / pow(Double(base), Double(i) / Double(dimensions)))
            }, pairing: pairing)
    }

    /// Cosine and sine of each pair's angle at some positions, with the magnitude applied.
    public func angles(at positions: some Collection<Int32>) -> RotaryAngles {
        var cosines: [Float] = []
        var sines: [Float] = []
        cosines.reserveCapacity(positions.count * frequencies.count)
        sines.reserveCapacity(positions.count * frequencies.count)
        for position in positions {
            for frequency in frequencies {
                let angle = Float(position) * frequency
                cosines.append(cosf(angle) * magnitude)
                sines.append(sinf(angle) * magnitude)
            }
        }
        return RotaryAngles(cosines: cosines, sines: sines, pairs: frequencies.count, pairing: pairing)
    }

    func add(to digester: inout Digester) {
        digester.add(frequencies)
        digester.add(pairing.rawValue)
        digester.add(magnitude.bitPattern)
    }
}

/// The rotation of some tokens, computed once and used in every layer.
public struct RotaryAngles: Sendable, Equatable {
    /// Cosines, (token, pair).
    public let cosines: [Float]
    /// Sines, (token, pair).
    public let sines: [Float]
    /// The number of rotated pairs in a head.
    public let pairs: Int
    /// Which dimensions form a pair.
    public let pairing: RotaryTable.Pairing
}

extension RotaryTable {
    /// The rotation that takes ``angles(at:)`` back: by the opposite angles, the magnitude divided out.
    package func inverseAngles(at positions: some Collection<Int32>) -> RotaryAngles {
        let forward = angles(at: positions)
        let scale = 1 / (magnitude * magnitude)
        return RotaryAngles(
            cosines: forward.cosines.map { $0 * scale }, sines: forward.sines.map { -$0 * scale }, pairs: forward.pairs,
            pairing: pairing)
    }

    /// No rotation at all, for so many tokens.
    package func noAngles(tokens: Int) -> RotaryAngles {
        let count = tokens * frequencies.count
        return RotaryAngles(
            cosines: Array(repeating: 1, count: count), sines: Array(repeating: 0, count: count),
            pairs: frequencies.count, pairing: pairing)
    }
}

extension RotaryAngles {
    /// Rotates keys of shape (token, KV head, dimension) in place.
    package func turn(_ keys: inout [Float], heads: Int, headDimension: Int) {
        let tokens = pairs == 0 ? 0 : cosines.count / pairs
        precondition(keys.count == tokens * heads * headDimension || pairs == 0, "one rotation per token")
        for token in 0..<tokens {
            for head in 0..<heads {
                let start = (token * heads + head) * headDimension
                for pair in 0..<pairs {
                    let (a, b) = pairing.places(of: pair, pairs: pairs)
                    let (x, y) = (keys[start + a], keys[start + b])
                    let (cosine, sine) = (cosines[token * pairs + pair], sines[token * pairs + pair])
                    keys[start + a] = x * cosine - y * sine
                    keys[start + b] = x * sine + y * cosine
                }
            }
        }
    }
}

extension RotaryTable.Pairing {
    /// Where the two numbers of a pair lie in a head.
    package func places(of pair: Int, pairs: Int) -> (Int, Int) {
        switch self {
        case .interleaved: (2 * pair, 2 * pair + 1)
        case .halves: (pair, pair + pairs)
        }
    }

    /// For each dimension of a head of this pairing, the dimension of the other that holds the same number; nil where the
    /// two are one.
    ///
    /// Checkpoints pair by halves; their keys' dimensions were put in another order for GGUF files, which interleave. What
    /// is not rotated stays where it is.
    package func order(from other: RotaryTable.Pairing, pairs: Int, headDimension: Int) -> [Int]? {
        guard self != other else { return nil }
        var order = Array(0..<headDimension)
        for pair in 0..<pairs {
            let (mine, theirs) = (places(of: pair, pairs: pairs), other.places(of: pair, pairs: pairs))
            (order[mine.0], order[mine.1]) = (theirs.0, theirs.1)
        }
        return order
    }
}
