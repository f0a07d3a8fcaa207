// SPDX-License-Identifier: Apache-2.0

/// Turns tokens into text one by one, as they are generated.
///
/// A character whose bytes are spread over several tokens comes with its last one: what is given out is always whole
/// characters, and all of it together is the text of all tokens decoded at once.
///
///     var decoder = StreamingDecoder(tokenizer)
///     for token in answer { print(decoder.feed(token), terminator: "") }
///     print(decoder.finish())
public struct StreamingDecoder: Sendable {
    private let tokenizer: any Tokenizer
    /// Bytes that begin a character; at most three.
    private var pending: [UInt8] = []
    private var dropsSpace: Bool

    /// Starts a new text.
    public init(_ tokenizer: any Tokenizer) {
        self.tokenizer = tokenizer
        dropsSpace = tokenizer.addsLeadingSpace
    }

    /// The text that `token` completes; empty where it ends within a character, and for special tokens.
    public mutating func feed(_ token: TokenID) -> String {
        pending += tokenizer.bytes(of: token, special: false)
        if dropsSpace && !pending.isEmpty {
            dropsSpace = false
            if pending[0] == 0x20 { pending.removeFirst() }
        }
        let whole = pending.count - unfinishedSuffix()
        defer { pending.removeFirst(whole) }
        return String(decoding: pending[..<whole], as: UTF8.self)
    }

    /// The end of the text: U+FFFD where a character was left unfinished, else nothing.
    public mutating func finish() -> String {
        defer { pending = [] }
        return String(decoding: pending, as: UTF8.self)
    }

    /// How many of the last bytes begin a character that the next token may complete.
    private func unfinishedSuffix() -> Int {
        for length in stride(from: min(3, pending.count), to: 0, by: -1)
        where beginsCharacter(pending.suffix(length)) {
            return length
        }
        return 0
    }

    /// Whether `bytes` are a proper beginning of a character (Unicode Standard, table 3-7).
    private func beginsCharacter(_ bytes: ArraySlice<UInt8>) -> Bool {
        let bytes = Array(bytes)
        let (length, second): (Int, ClosedRange<UInt8>) =
            switch bytes[0] {
            case 0xC2...0xDF: (2, 0x80...0xBF)
            case 0xE0: (3, 0xA0...0xBF)
            case 0xED: (3, 0x80...0x9F)
            case 0xE1...0xEF: (3, 0x80...0xBF)
            case 0xF0: (4, 0x90...0xBF)
            case 0xF1...0xF3: (4, 0x80...0xBF)
            case 0xF4: (4, 0x80...0x8F)
            default: (0, 0...0)
            }
        guard bytes.count < length else { return false }
        guard bytes.count > 1 else { return true }
        return second.contains(bytes[1]) && bytes.dropFirst(2).allSatisfy { 0x80...0xBF ~= $0 }
    }
}
