// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import Testing

@testable import TesseraRuntime

struct TokenizerGoldenTests {
    private let goldens: TokenizerFixture.Goldens

    init() throws {
        goldens = try TokenizerFixture.goldens.get()
    }

    @Test func `there are goldens for five thousand strings`() {
        #expect(goldens.strings.count >= 5000)
        for fixture in TokenizerFixture.allCases {
            #expect(goldens.plain[fixture.rawValue]?.count == goldens.strings.count)
            #expect((goldens.special[fixture.rawValue]?.count ?? 0) > 20)
        }
    }

    @Test(arguments: TokenizerFixture.allCases)
    func `ids equal the reference's`(_ fixture: TokenizerFixture) throws {
        let tokenizer = try fixture.tokenizer()
        let expected = try #require(goldens.plain[fixture.rawValue])
        for (text, ids) in zip(goldens.strings, expected) {
            #expect(tokenizer.encode(text, special: false) == ids, "\(text.debugDescription)")
        }
    }

    @Test(arguments: TokenizerFixture.allCases)
    func `names of special tokens stand for them where asked`(_ fixture: TokenizerFixture) throws {
        let tokenizer = try fixture.tokenizer()
        let expected = try #require(goldens.plain[fixture.rawValue])
        let special = try #require(goldens.special[fixture.rawValue])
        for (index, text) in goldens.strings.enumerated() {
            let ids = special[index] ?? expected[index]
            #expect(tokenizer.encode(text, special: true) == ids, "\(text.debugDescription)")
        }
    }

    @Test(arguments: TokenizerFixture.allCases)
    func `decoding gives the text back, at once or token by token`(_ fixture: TokenizerFixture) throws {
        let tokenizer = try fixture.tokenizer()
        let decoded = try #require(goldens.decoded[fixture.rawValue])
        for (index, text) in goldens.strings.enumerated() {
            let ids = tokenizer.encode(text, special: false)
            let bytes = Array((decoded[index] ?? text).utf8)
            #expect(Array(tokenizer.decode(ids).utf8) == bytes, "\(text.debugDescription)")
            var decoder = StreamingDecoder(tokenizer)
            let parts = ids.map { decoder.feed($0) } + [decoder.finish()]
            #expect(parts.flatMap(\.utf8) == bytes, "\(text.debugDescription)")
        }
    }
}
