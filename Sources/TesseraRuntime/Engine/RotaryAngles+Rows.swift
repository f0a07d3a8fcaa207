// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import TesseraKV

extension RotaryAngles {
    /// Rotates the heads of the row with the angles `row`, (head, dimension); `out` may be `x`.
    func rotate(
        _ x: UnsafePointer<Float>, row: Int, heads: Int, dimension: Int, into out: UnsafeMutablePointer<Float>
    ) {
        cosines.withUnsafeBufferPointer { cosines in
            sines.withUnsafeBufferPointer { sines in
                guard let cosine = cosines.baseAddress, let sine = sines.baseAddress else { return }
                ck_rope(x, cosine + row * pairs, sine + row * pairs, pairs, heads, dimension, out)
            }
        }
    }
}
