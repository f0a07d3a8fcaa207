// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// How the next token is drawn from a model's logits.
public struct SamplingOptions: Sendable, Hashable {
    /// What logits are divided by; 0 takes the most likely token always.
    public let temperature: Double
    /// The share of probability that tokens are drawn from, most likely first; 1 draws from all of them.
    public let topP: Double
    /// The start of the random sequence: equal seeds give equal draws.
    public let seed: UInt64

    /// The most likely token always.
    public static let greedy = SamplingOptions()

    private init() {
        temperature = 0
        topP = 1
        seed = 0
    }

    /// Makes options of all their parts.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for a temperature that is negative or not finite, or a `topP`
    ///   outside of (0, 1].
    public init(temperature: Double, topP: Double = 1, seed: UInt64 = 0) throws(TesseraError) {
        guard temperature.isFinite, temperature >= 0 else {
            throw TesseraError(.invalidInput, "the temperature \(temperature) is not a number from 0 up")
        }
        guard topP > 0, topP <= 1 else {
            throw TesseraError(.invalidInput, "top-p is \(topP); it has to be above 0 and at most 1")
        }
        self.temperature = temperature
        self.topP = topP
        self.seed = seed
    }
}
