// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import Testing

@testable import TesseraRuntime

struct TokenizerTests {
    @Test func `a model's beginning and endings are those of its file`() throws {
        let llama3 = try TokenizerFixture.llama3.tokenizer()
        #expect(llama3.beginning.map { [$0] } == llama3.encode("<|begin_of_text|>", special: true))
        #expect(llama3.endings == Set(llama3.encode("<|end_of_text|><|eot_id|>", special: true)))
        #expect(llama3.addsBeginning)
        let gpt2 = try TokenizerFixture.gpt2.tokenizer()
        #expect(gpt2.beginning == nil)
        #expect(gpt2.endings == Set(gpt2.encode("<|endoftext|>", special: true)))
        #expect(!gpt2.addsBeginning)
        let spm = try TokenizerFixture.spm.tokenizer()
        #expect(spm.beginning == 1)
        #expect(spm.endings == [2])
        #expect(spm.addsBeginning)
    }

    @Test(arguments: TokenizerFixture.allCases)
    func `a text can't pretend to be a special token`(_ fixture: TokenizerFixture) throws {
        let tokenizer = try fixture.tokenizer()
        let file = try fixture.file()
        let names = try file.strings("tokenizer.ggml.tokens")
        let kinds = try file.ints("tokenizer.ggml.token_type")
        let control = names.indices.filter { kinds[$0] == Vocabulary.Kind.control.rawValue }
        #expect(!control.isEmpty)
        for id in control {
            #expect(!tokenizer.encode("a\(names[id])b", special: false).contains(TokenID(id)))
            #expect(tokenizer.encode("a\(names[id])b", special: true).contains(TokenID(id)))
            #expect(tokenizer.bytes(of: TokenID(id), special: false).isEmpty)
            #expect(tokenizer.bytes(of: TokenID(id), special: true) == Array(names[id].utf8))
        }
    }

    @Test(arguments: TokenizerFixture.allCases)
    func `ids beyond the vocabulary stand for nothing`(_ fixture: TokenizerFixture) throws {
        let tokenizer = try fixture.tokenizer()
        let count = try TokenID(fixture.file().strings("tokenizer.ggml.tokens").count)
        for id in [-1, .min, count, .max] as [TokenID] {
            #expect(tokenizer.bytes(of: id, special: true).isEmpty)
        }
        #expect(!tokenizer.bytes(of: count - 1, special: true).isEmpty)
    }

    @Test func `SentencePiece puts a space in front and takes one away`() throws {
        let tokenizer = try TokenizerFixture.spm.tokenizer()
        #expect(tokenizer.addsLeadingSpace)
        #expect(tokenizer.encode("", special: false).isEmpty)
        for text in ["the", " the", "   the ", " ", "\nthe"] {
            #expect(tokenizer.decode(tokenizer.encode(text, special: false)) == text)
        }
        #expect(
            tokenizer.encode("the", special: false).first.map { tokenizer.bytes(of: $0, special: false).first } == 0x20)
    }

    @Test(arguments: TokenizerFixture.allCases)
    func `encoding from many tasks at once gives the same ids`(_ fixture: TokenizerFixture) async throws {
        let tokenizer = try fixture.tokenizer()
        let goldens = try TokenizerFixture.goldens.get()
        let expected = try #require(goldens.plain[fixture.rawValue])
        let wrong = await withTaskGroup(of: Int.self) { group in
            for start in 0..<8 {
                group.addTask {
                    stride(from: start, to: goldens.strings.count, by: 8).count { index in
                        tokenizer.encode(goldens.strings[index], special: false) != expected[index]
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(wrong == 0)
    }

    /// What must not grow faster than the text is the number of pairs looked up, for each place at most the one with
    /// its neighbour at first and two for each of its joins.
    @Test(arguments: TokenizerFixture.allCases)
    func `a text without a space takes work in proportion to its length`(_ fixture: TokenizerFixture) throws {
        let tokenizer = try fixture.tokenizer()
        for letter in ["a", "é", "字", "(", " ", "\n"] {
            let text = String(repeating: letter, count: 1_000_000 / letter.utf8.count)
            #expect(tokenizer.decode(tokenizer.encode(text, special: false)) == text)
        }
        let count = 1_000_000
        let merger = PairMerger((0..<6).map { ($0, $0, UInt32($0), $0 + 1) })
        var scratch = MergeScratch()
        scratch.symbols = Array(repeating: 0, count: count)
        merger.merge(&scratch)
        #expect(scratch.symbols == Array(repeating: 6, count: count / 64))
        #expect(scratch.considered <= 3 * count)
    }

    @Test func `the best priority is joined first, the leftmost of equals before the others`() {
        let merger = PairMerger([(1, 2, 1, 12), (2, 3, 0, 23), (1, 23, 2, 123), (4, 4, 3, 44)])
        var scratch = MergeScratch()
        for (symbols, merged) in [
            ([1, 2, 3], [123]), ([1, 2, 4], [12, 4]), ([4, 4, 4], [44, 4]), ([4, 4, 4, 4], [44, 44]), ([], []),
            ([9], [9]), ([3, 2, 1], [3, 2, 1]),
        ] as [([TokenID], [TokenID])] {
            scratch.symbols = symbols
            merger.merge(&scratch)
            #expect(scratch.symbols == merged)
        }
    }

    @Test func `the longest of the leftmost names is found`() {
        let matcher = TokenMatcher(
            ["ab", "abcd", "bc", "x"].enumerated().map { (name: Array($1.utf8), id: TokenID($0)) })
        func parts(_ text: String) -> [String] {
            var parts: [String] = []
            var text = text
            text.withUTF8 { bytes in
                matcher.split(bytes) {
                    parts.append(String(decoding: $0, as: UTF8.self))
                } token: {
                    parts.append("#\($0)")
                }
            }
            return parts
        }
        #expect(parts("") == [])
        #expect(parts("none") == ["none"])
        #expect(parts("abc") == ["#0", "c"])
        #expect(parts("zabcdx") == ["z", "#1", "#3"])
        #expect(parts("aabcbc") == ["a", "#0", "c", "#2"])
        #expect(parts("abcxabc") == ["#0", "c", "#3", "#0", "c"])
    }
}
