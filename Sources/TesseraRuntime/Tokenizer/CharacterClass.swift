// SPDX-License-Identifier: Apache-2.0

/// What tokenizers need to know of a character.
///
/// Both properties are those of a fixed version of Unicode, the one that the reference library has: so ids equal its
/// ids, and don't change with the toolchain. Characters that were assigned later count as unassigned.
struct CharacterClass: Sendable, Hashable {
    /// The four kinds that pre-tokenisers tell apart: `\p{L}`, `\p{N}`, `\s` and all others. As of Unicode 16.
    enum Kind: UInt8, Sendable {
        case other, letter, number, space
    }

    /// What canonical composition (NFC) does with a character. As of Unicode 9.
    enum Composition: UInt8, Sendable {
        /// It stays, and begins what the characters behind it may be joined to.
        case base
        /// It may change, or join with what is before it.
        case joining
        /// It stays and nothing joins with it, because it was not yet assigned.
        case inert
    }

    let kind: Kind
    let composition: Composition

    init(_ scalar: Unicode.Scalar) {
        let properties = scalar.properties
        let age = properties.age?.major ?? .max
        let category = properties.generalCategory
        kind =
            switch category {
            case _ where properties.isWhitespace: .space
            case _ where age > 16: .other
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
            case .decimalNumber, .letterNumber, .otherNumber: .number
            default: .other
            }
        composition =
            switch category {
            case _ where age > 9: .inert
            case .nonspacingMark, .spacingMark, .enclosingMark: .joining
            default: Self.mayChange.contains { $0.contains(scalar.value) } ? .joining : .base
            }
    }

    /// Where the characters lie that decompose for good, besides marks, and the vowels and final consonants of Hangul.
    /// Wider than need be: what does not change is left as it was.
    private static let mayChange: [ClosedRange<UInt32>] = [
        0x0374...0x0387, 0x0958...0x095F, 0x09DC...0x09DF, 0x0A33...0x0A5E, 0x0B5C...0x0B5D, 0x0F43...0x0F69,
        0x1160...0x11FF, 0x1F71...0x1FFD, 0x2000...0x2001, 0x2126...0x212B, 0x2329...0x232A, 0x2ADC...0x2ADC,
        0xF900...0xFAD9, 0xFB1D...0xFB4E, 0x1D15E...0x1D164, 0x1D1BB...0x1D1C0, 0x2F800...0x2FA1D,
    ]

    /// The classes of the basic multilingual plane; reckoned once, in some tens of milliseconds.
    static let ofBasicPlane: [CharacterClass] = (0..<0x10000 as Range<UInt32>).map { value in
        CharacterClass(Unicode.Scalar(value) ?? "\u{FFFD}")
    }

    /// The class of any character.
    static func of(_ scalar: Unicode.Scalar) -> CharacterClass {
        scalar.value < 0x10000 ? ofBasicPlane[Int(scalar.value)] : CharacterClass(scalar)
    }
}
