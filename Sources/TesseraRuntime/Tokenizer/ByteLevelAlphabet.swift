// SPDX-License-Identifier: Apache-2.0

/// The characters by which byte-level vocabularies write bytes: printable ones stand for themselves, the others are
/// moved beyond U+00FF (Radford et al., GPT-2's `bytes_to_unicode`).
package enum ByteLevelAlphabet {
    /// The character of each byte.
    package static let characters: [Unicode.Scalar] = {
        let printable = Set(Array(0x21...0x7E) + Array(0xA1...0xAC) + Array(0xAE...0xFF) as [UInt32])
        var moved: UInt32 = 0x100
        return (0..<256 as Range<UInt32>).compactMap { byte in
            defer { if !printable.contains(byte) { moved += 1 } }
            return Unicode.Scalar(printable.contains(byte) ? byte : moved)
        }
    }()

    private static let bytes = Dictionary(
        uniqueKeysWithValues: zip(characters, 0...).map { ($0, UInt8(truncatingIfNeeded: $1)) })

    /// The bytes that a token stands for; nil where a character of it is none of the alphabet.
    static func decode(_ token: [UInt8]) -> [UInt8]? {
        var result: [UInt8] = []
        for scalar in String(decoding: token, as: UTF8.self).unicodeScalars {
            guard let byte = bytes[scalar] else { return nil }
            result.append(byte)
        }
        return result
    }
}
