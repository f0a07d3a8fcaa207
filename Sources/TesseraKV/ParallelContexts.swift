// SPDX-License-Identifier: Apache-2.0

/// How attention reads contexts that were encoded side by side, each behind the same prefix and without the others.
///
/// After Adaptive Parallel Encoding (APE, Yang et al., ICLR 2025, arXiv 2502.05431, §4 and appendix C.4). In every layer
/// and query head, with scores a = q·k / √d, the contexts' keys C and all other visible keys O are attended to apart:
///
///     o_C = Σ softmax(a / T)·v,  ℓ_C = ln Σ e^(a / T)    over C
///     o_O = Σ softmax(a)·v,      ℓ_O = ln Σ e^a          over O
///     [w_C, w_O] = softmax([S·T·ℓ_C, ℓ_O]),  output = w_C·o_C + w_O·o_O
///
/// T below 1 sharpens the attention that several contexts, all near the question, would disperse; S below 1 takes back
/// the mass that the sharpening adds. All contexts are one block, as in the authors' code: their order is of no account.
/// T = S = 1 is ordinary attention.
///
/// Deviations: the paper writes one exponent where the code has S·T, which is taken here; log sums stay fp32 where the
/// code rounds them to BF16; and the contexts are masked by position like every other key, which hides them from rows
/// in front of them and from no row behind.
public struct ParallelContexts: Sendable, Hashable {
    /// The slots of the contexts, one block. No row of a call may lie in it.
    public var slots: Range<Int>
    /// T, what the scores of the contexts' keys are divided by.
    public var temperature: Float
    /// S, what the contexts' log-mass is multiplied with, beside T.
    public var scale: Float

    /// Describes contexts that lie in `slots`.
    ///
    /// - Parameters:
    ///   - slots: The slots of all contexts.
    ///   - temperature: T, in ``ParallelContexts/factors``.
    ///   - scale: S, in ``ParallelContexts/factors``.
    public init(slots: Range<Int>, temperature: Float, scale: Float) {
        self.slots = slots
        self.temperature = temperature
        self.scale = scale
    }

    /// What T and S may be. Beyond it, scores in fp32 overflow or vanish.
    public static let factors: ClosedRange<Float> = 1e-6...1e6

    /// Whether attention is the ordinary one: no contexts, or neither factor changes anything.
    public var isOrdinary: Bool {
        slots.isEmpty || (temperature == 1 && scale == 1)
    }
}
