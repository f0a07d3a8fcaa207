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
        let wrong = zip(goldens.strings, expected).filter { tokenizer.encode($0, special: false) != $1 }
        #expect(wrong.map(\.0) == [])
    }

    @Test(arguments: TokenizerFixture.allCases)
    func `names of special tokens stand for them where asked`(_ fixture: TokenizerFixture) throws {
        let tokenizer = try fixture.tokenizer()
        let expected = try #require(goldens.plain[fixture.rawValue])
        let special = try #require(goldens.special[fixture.rawValue])
        let wrong = goldens.strings.enumerated().filter { index, text in
            tokenizer.encode(text, special: true) != special[index] ?? expected[index]
        }
        #expect(wrong.map(\.element) == [])
    }

    @Test(arguments: TokenizerFixture.allCases)
    func `decoding gives the text back, at once or token by token`(_ fixture: TokenizerFixture) throws {
        let tokenizer = try fixture.tokenizer()
        let decoded = try #require(goldens.decoded[fixture.rawValue])
        let wrong = goldens.strings.enumerated().filter { index, text in
            let ids = tokenizer.encode(text, special: false)
            var decoder = StreamingDecoder(tokenizer)
            let parts = ids.map { decoder.feed($0) } + [decoder.finish()]
            let bytes = Array((decoded[index] ?? text).utf8)
            return Array(tokenizer.decode(ids).utf8) != bytes || parts.flatMap(\.utf8) != bytes
        }
        #expect(wrong.map(\.element) == [])
    }
}
