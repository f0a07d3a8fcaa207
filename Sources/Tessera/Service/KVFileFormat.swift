// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// How keys and values lie in a file that another runtime reads.
package struct KVFileFormat: Sendable, Equatable {
    /// The type of the numbers, in the words of safetensors.
    package enum Element: String, Sendable, CaseIterable {
        case f16 = "F16"
        case bf16 = "BF16"
        case f32 = "F32"

        /// Bytes of a number.
        package var byteCount: Int { self == .f32 ? 4 : 2 }

        /// The 16-bit format; nil for fp32.
        var half: HalfFormat? {
            switch self {
            case .f16: .fp16
            case .bf16: .bf16
            case .f32: nil
            }
        }
    }

    /// Which index of an array comes first.
    package enum Order: String, Sendable, CaseIterable {
        /// (token, head, dimension).
        case token
        /// (head, token, dimension).
        case head
    }

    /// The type of the numbers.
    package var element: Element
    /// Which index comes first.
    package var order: Order
    /// Whether keys are turned to their positions.
    package var isRotated: Bool
    /// Which two dimensions of a head are turned together.
    package var pairing: RotaryTable.Pairing

    /// Makes a format of its parts.
    package init(element: Element = .f16, order: Order = .token, isRotated: Bool = true, pairing: RotaryTable.Pairing) {
        (self.element, self.order, self.isRotated, self.pairing) = (element, order, isRotated, pairing)
    }

    /// The extents of an array of so many tokens.
    func shape(tokens: Int, _ layout: KVLayout) -> [Int] {
        switch order {
        case .token: [tokens, layout.heads, layout.headDimension]
        case .head: [layout.heads, tokens, layout.headDimension]
        }
    }
}
