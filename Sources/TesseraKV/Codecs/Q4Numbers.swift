// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Keys or values of some tokens at 4 bits a number: where their sections lie, and how they are made and placed.
///
/// Each dimension's mean over the tokens is subtracted, each head is rotated by a Walsh–Hadamard matrix, and the
/// coefficients become levels of a scale for each 32 along a row (`ck_q4_levels`):
/// x̂ = mean + (scale · level) · H / √b, where b is the largest power of two that divides the head's dimension and H is
/// applied to each b dimensions. The rotation is orthogonal, so a head's error is that of its coefficients; it makes
/// those of heads with outlying dimensions nearly normal, for which the levels are chosen (as in QuaRot,
/// arXiv 2404.00456, and TurboQuant, arXiv 2504.19874). No signs are flipped at random: what centring leaves has no
/// pattern that a Hadamard matrix could match.
struct Q4Numbers {
    let tokens: Int
    let layout: KVLayout
    /// The first bytes of the sections: a mean for each (KV head, dimension), scales of each token, levels of each token.
    let means, scales, numbers: Int

    static func meansByteCount(tokens: Int, width: Int) -> Int { tokens > 0 ? 2 * width : 0 }
    static func scalesByteCount(tokens: Int, width: Int) -> Int { 2 * tokens * ((width + 31) / 32) }
    static func numbersByteCount(tokens: Int, width: Int) -> Int {
        tokens * PackedRows(bits: 4, width: width).byteCount
    }

    /// Writes the sections of numbers of shape (token, KV head, dimension).
    func encode(_ input: UnsafePointer<Float>, to start: UnsafeMutableRawPointer) {
        guard tokens > 0 else { return }
        ck_q8_means(start.halves(means), input, tokens, layout.width)
        ck_q4_from_f32(
            start.bytes(numbers), start.halves(scales), input, tokens, layout.heads, layout.headDimension,
            UnsafeRawPointer(start + means).floats(layout.width))
    }

    /// Whether nothing lies behind the last number of a row.
    func areClean(_ record: UnsafeRawBufferPointer) -> Bool {
        PackedRows(bits: 4, width: layout.width).areClean(record, at: numbers, rows: tokens)
    }

    /// Decodes the sections to `out`.
    ///
    /// - Returns: Whether all numbers are finite.
    func place(
        _ start: UnsafeRawPointer, to out: UnsafeMutablePointer<Float>, _ rotation: UnsafePointer<ck_rotation>
    ) -> Bool {
        (start + means).floats(layout.width).withUnsafeBufferPointer { means in
            guard let meansStart = means.baseAddress else { return true }
            return withUnsafePointer(
                to: ck_q4(numbers: start + numbers, scales: start + scales, means: meansStart)
            ) { ck_place_q4(out, $0, tokens, layout.heads, layout.headDimension, rotation) }
        }
    }
}
