// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import Testing

@testable import Tessera

@Suite struct `A prompt's opening token` {
    @Test func `is put in front where the model wants it and the template has none`() {
        let tokenizer = Letters(addsBeginning: true)
        #expect(PromptLayout.plain.encoded(with: tokenizer).first == .glue([1]))
        #expect(PromptLayout.plain.encoded(with: tokenizer).count == 4)
        let layout = PromptLayout(pieces: [.glue("ab"), .contexts, .question, .glue("c")])
        #expect(layout.encoded(with: tokenizer) == [.glue([1, 97, 98]), .contexts, .question, .glue([99])])
    }

    @Test func `is the template's own where it writes one`() {
        let layout = PromptLayout(pieces: [.glue("^ab"), .contexts, .question])
        #expect(layout.encoded(with: Letters(addsBeginning: true)) == [.glue([1, 97, 98]), .contexts, .question])
        #expect(layout.encoded(with: Letters(addsBeginning: false)) == [.glue([1, 97, 98]), .contexts, .question])
    }

    @Test func `is left out where the model does without`() {
        #expect(
            PromptLayout.plain.encoded(with: Letters(addsBeginning: false)) == [.system, .contexts, .question])
    }
}

/// One token per byte; `^` is the opening token.
private struct Letters: Tokenizer {
    let beginning: TokenID? = 1
    let endings: Set<TokenID> = []
    let addsBeginning: Bool
    let digest = Digest256(of: [UInt8]())

    func encode(_ text: String, special: Bool) -> [TokenID] {
        text.utf8.map { special && $0 == UInt8(ascii: "^") ? 1 : TokenID($0) }
    }

    func bytes(of token: TokenID, special: Bool) -> [UInt8] { [] }
}
