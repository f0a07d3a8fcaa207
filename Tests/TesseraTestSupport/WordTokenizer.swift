// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// A tokenizer that a test can count by hand: words, numbers, runs of white space and single other characters are
/// tokens. A space in front of a word belongs to it, and a full stop before a blank line to that blank line, so that,
/// as with real ones, the tokens of two texts are not those of the texts joined.
package struct WordTokenizer: Tokenizer {
    package let beginning: TokenID? = nil
    package let endings: Set<TokenID> = []
    package let addsBeginning = false
    package let digest: Digest256

    /// - Parameter name: Two of different names have different digests.
    package init(name: String = "words") {
        var digester = Digester()
        digester.add(name)
        digest = digester.digest()
    }

    package func encode(_ text: String, special: Bool) -> [TokenID] {
        Self.words(text).map { word in
            var hash: UInt32 = 2_166_136_261
            for byte in word { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
            return TokenID(hash >> 1)
        }
    }

    package func bytes(of token: TokenID, special: Bool) -> [UInt8] { [] }

    /// The tokens of `text` as bytes; they join to the whole.
    package static func words(_ text: String) -> [ArraySlice<UInt8>] {
        let bytes = Array(text.utf8)
        var words: [ArraySlice<UInt8>] = []
        var start = 0
        while start < bytes.count {
            var end = start
            if bytes[start] == UInt8(ascii: " ") { end += 1 }
            if end < bytes.count && isWord(bytes[end]) {
                // The longest word is 24 bytes, so that a long one is several tokens.
                while end < bytes.count && isWord(bytes[end]) && end - start < 24 { end += 1 }
            } else if bytes[start...].starts(with: ".\n\n".utf8) {
                end = start + 3
            } else {
                end = start + 1
                while end < bytes.count && isSpace(bytes[start]) && isSpace(bytes[end]) && end - start < 24 { end += 1 }
            }
            words.append(bytes[start..<end])
            start = end
        }
        return words
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...0xFF:
            true
        default: false
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\t")
    }
}
