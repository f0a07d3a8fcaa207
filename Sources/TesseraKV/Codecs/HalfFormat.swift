// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// A floating-point format of 16 bits.
public enum HalfFormat: String, Sendable, CaseIterable {
    /// IEEE half precision: 11 significant bits, magnitudes up to 65504.
    case fp16
    /// The upper half of a float: 8 significant bits, nearly float's range.
    case bf16

    /// The largest magnitude, for messages.
    var limit: String {
        switch self {
        case .fp16: "65504"
        case .bf16: "3.39e38"
        }
    }

    /// How the kernels call its numbers, whole or in planes of low and high bytes.
    var storage: (whole: ck_storage, planes: ck_storage) {
        switch self {
        case .fp16: (CK_STORED_F16, CK_STORED_F16_PLANES)
        case .bf16: (CK_STORED_BF16, CK_STORED_BF16_PLANES)
        }
    }

    /// Rounds numbers to nearest, ties to even.
    ///
    /// - Returns: The index of the first number that is not finite or beyond the range, or their count.
    func narrow(_ numbers: [Float], to halves: UnsafeMutablePointer<UInt16>) -> Int {
        narrow(numbers, count: numbers.count, to: halves)
    }

    /// The same for `count` numbers in memory.
    package func narrow(
        _ numbers: UnsafePointer<Float>, count: Int, to halves: UnsafeMutablePointer<UInt16>
    ) -> Int {
        switch self {
        case .fp16: ck_f16_from_f32(halves, numbers, count)
        case .bf16: ck_bf16_from_f32(halves, numbers, count)
        }
    }

    /// An IEEE half as a float.
    package static func float(_ half: UInt16) -> Float {
        var (half, number) = (half, Float(0))
        ck_f32_from_f16(&number, &half, 1)
        return number
    }
}
