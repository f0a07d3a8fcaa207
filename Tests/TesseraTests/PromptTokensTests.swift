// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraTestSupport
import Testing

@testable import Tessera

/// One id per character, a beginning that is wanted or not.
private struct CharacterTokenizer: Tokenizer {
    var beginning: TokenID? = 1
    var endings: Set<TokenID> = [2]
    var addsBeginning = true
    var digest: Digest256 { Digest256(of: [UInt8]()) }

    func encode(_ text: String, special: Bool) -> [TokenID] {
        text.unicodeScalars.map { special && $0 == "^" ? 1 : TokenID($0.value) }
    }

    func bytes(of token: TokenID, special: Bool) -> [UInt8] { [UInt8(truncatingIfNeeded: token)] }
}

struct `splicing a prompt` {
    private let prompt = Prompt(system: "s", contexts: ["ab", "", "c"], question: "q")
    private func ids(_ text: String) -> [TokenID] { text.unicodeScalars.map { TokenID($0.value) } }

    @Test func `without a template the segments follow each other, nothing added but the beginning`() {
        let tokens = PromptTokens(prompt, layout: .plain, tokenizer: CharacterTokenizer())
        #expect(tokens.ids == [1] + ids("sabcq"))
        #expect(tokens.contexts == [2..<4, 4..<5])
        #expect(Array(tokens.leading) == [1] + ids("s"))
    }

    @Test func `a model without a beginning gets none`() {
        let tokens = PromptTokens(prompt, layout: .plain, tokenizer: CharacterTokenizer(addsBeginning: false))
        #expect(tokens.ids == ids("sabcq"))
        #expect(tokens.contexts == [1..<3, 3..<4])
    }

    @Test func `the beginning stands once where the template writes it`() {
        let layout = PromptLayout(pieces: [
            .glue("^["), .system, .glue("]"), .contexts, .glue("?"), .question, .glue("!"),
        ])
        let tokens = PromptTokens(prompt, layout: layout, tokenizer: CharacterTokenizer())
        #expect(tokens.ids == [1] + ids("[s]abc?q!"))
        #expect(Array(tokens.leading) == [1] + ids("[s]"))
    }

    @Test func `special names in segments are text, in glue they are tokens`() {
        let prompt = Prompt(system: nil, contexts: ["^"], question: "^")
        let layout = PromptLayout(pieces: [.glue("^"), .contexts, .question])
        let tokens = PromptTokens(prompt, layout: layout, tokenizer: CharacterTokenizer())
        #expect(tokens.ids == [1] + ids("^^"))
    }

    @Test func `ids are taken as they are`() {
        let prompt = Prompt(system: .tokens([7]), contexts: [.tokens([8, 9])], question: .tokens([10]))
        #expect(PromptTokens(prompt, layout: .plain, tokenizer: CharacterTokenizer()).ids == [1, 7, 8, 9, 10])
    }

    @Test func `without contexts the leading run ends where they would stand`() {
        let prompt = Prompt(system: "sys", contexts: [], question: "q")
        let tokens = PromptTokens(prompt, layout: .plain, tokenizer: CharacterTokenizer())
        #expect(Array(tokens.leading) == tokens.ids.dropLast())
    }

    @Test func `contexts are taken in order as long as they fit`() {
        #expect(contextsThatFit([10, 20, 30], budget: 30) == 2)
        #expect(contextsThatFit([10, 20, 1], budget: 15) == 1)
        #expect(contextsThatFit([10], budget: -5) == 0)
        #expect(contextsThatFit([], budget: 5) == 0)
    }
}
