// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import Testing

@testable import Tessera

@Suite struct `A template given by the user` {
    @Test func `has its text between the segments`() throws {
        let layout = try PromptLayout(userTemplate: "<s>{system}\n{contexts}Q: {question}\nA:")
        #expect(
            layout.pieces == [
                .glue("<s>"), .system, .glue("\n"), .contexts, .glue("Q: "), .question, .glue("\nA:"),
            ])
    }

    @Test func `may leave out the system text`() throws {
        let layout = try PromptLayout(userTemplate: "{contexts}{question}")
        #expect(layout.pieces == [.contexts, .question])
        #expect(!layout.hasSystem)
    }

    @Test func `writes a brace for two`() throws {
        let layout = try PromptLayout(userTemplate: "{{system}}{contexts}}}{{{question}")
        #expect(layout.pieces == [.glue("{system}"), .contexts, .glue("}{"), .question])
    }

    @Test(arguments: [
        ("{contexts}", "lacks {question}"), ("{question}", "lacks {contexts}"), ("", "lacks {contexts}"),
        ("{contexts}{question}{contexts}", "{contexts} twice"), ("{contexts}{question}{user}", "a brace"),
        ("{contexts}{question}}", "a brace"), ("{", "a brace"), ("{contexts", "a brace"),
    ])
    func `that is wrong says what is wrong`(_ template: String, _ reason: String) {
        let error = #expect(throws: TesseraError.self) { try PromptLayout(userTemplate: template) }
        #expect(error?.code == .invalidInput)
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
    }

    @Test func `that is absent adds nothing`() {
        #expect(PromptLayout.plain.text(system: "S", contexts: ["a", "b"], question: "Q") == "SabQ")
    }
}
