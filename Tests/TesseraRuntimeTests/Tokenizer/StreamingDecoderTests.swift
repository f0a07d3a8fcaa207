// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import Testing

struct StreamingDecoderTests {
    /// A tokenizer whose tokens are bytes, so that every break within a character can be had.
    struct Bytes: Tokenizer {
        let beginning: TokenID? = nil
        let endings: Set<TokenID> = []
        let addsBeginning = false
        var addsLeadingSpace = false
        let digest = Digest256(of: [UInt8]())

        func encode(_ text: String, special: Bool) -> [TokenID] { text.utf8.map { TokenID($0) } }

        func bytes(of token: TokenID, special: Bool) -> [UInt8] { token < 256 ? [UInt8(token)] : [] }
    }

    @Test func `a character comes with its last byte`() {
        var decoder = StreamingDecoder(Bytes())
        let parts = Bytes().encode("aé字😀.", special: false).map { decoder.feed($0) }
        #expect(parts == ["a", "", "é", "", "", "字", "", "", "", "😀", "."])
        #expect(decoder.finish() == "")
    }

    @Test func `an unfinished character becomes U+FFFD at the end`() {
        var decoder = StreamingDecoder(Bytes())
        #expect(decoder.feed(0xF0) == "")
        #expect(decoder.feed(0x9F) == "")
        #expect(decoder.finish() == "\u{FFFD}")
        #expect(decoder.finish() == "")
    }

    @Test func `special tokens say nothing`() {
        var decoder = StreamingDecoder(Bytes())
        #expect(decoder.feed(0xC3) + decoder.feed(300) + decoder.feed(0xA9) == "é")
    }

    @Test func `the space that encoding puts in front is dropped once`() {
        let tokenizer = Bytes(addsLeadingSpace: true)
        #expect(tokenizer.decode(Bytes().encode("  a b", special: false)) == " a b")
        #expect(tokenizer.decode(Bytes().encode("a b", special: false)) == "a b")
        #expect(tokenizer.decode([300, 0x20, 0x61]) == "a")
    }

    @Test func `any bytes give the text that all of them give at once`() {
        var random = SplitMix64(seed: 7)
        let leads: [UInt8] = [0x41, 0x80, 0xBF, 0xC3, 0xC0, 0xE0, 0xA0, 0xED, 0x9F, 0xF0, 0x90, 0xF4, 0x8F, 0xF5, 0xFF]
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 1...9, using: &random)).map { _ in
                leads.randomElement(using: &random) ?? 0
            }
            var decoder = StreamingDecoder(Bytes())
            let streamed = bytes.map { decoder.feed(TokenID($0)) }.joined() + decoder.finish()
            let whole = String(decoding: bytes, as: UTF8.self)
            #expect(Array(streamed.utf8) == Array(whole.utf8), "\(bytes)")
        }
    }
}

struct UTF8TextTests {
    @Test func `valid text is taken as it is`() throws {
        let text = "e\u{301} é 字 😀 \u{FEFF}\0"
        #expect(try Array(UTF8Text.decode(Array(text.utf8), name: "x").utf8) == Array(text.utf8))
        #expect(try UTF8Text.decode([], name: "x") == "")
    }

    @Test(
        arguments: [
            ([0x61, 0xFF], 1), ([0xC3], 0), ([0x61, 0x62, 0xED, 0xA0, 0x80], 2), ([0xC0, 0x80], 0),
            ([0xF4, 0x90, 0x80, 0x80], 0), ([0xC3, 0xA9, 0x80], 2),
        ] as [([UInt8], Int)])
    func `broken text is refused at its first wrong byte`(_ bytes: [UInt8], _ offset: Int) {
        let error = #expect(throws: TesseraError.self) { try UTF8Text.decode(bytes, name: "notes.txt") }
        #expect(error?.code == .invalidInput)
        #expect(error?.message.hasPrefix("notes.txt is not UTF-8 text: byte \(offset) ") == true)
    }
}
