// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import Testing

@testable import Tessera

@Suite struct `A model's chat template` {
    let goldens = ChatTemplateGoldens.all

    @Test(arguments: ChatTemplateGoldens.all.chats)
    func `gives the text that jinja2 gives`(_ chat: ChatTemplateGoldens.Chat) throws {
        for hasSystem in [true, false] {
            let layout = try ChatTemplate.layout(
                of: chat.template, hasSystem: hasSystem, beginning: chat.beginning, ending: chat.ending,
                now: goldens.now)
            let text = layout.text(
                system: goldens.system, contexts: [goldens.contexts], question: goldens.question)
            #expect(text == (hasSystem ? chat.withSystem : chat.withoutSystem))
            #expect(layout.hasSystem == hasSystem)
        }
    }

    @Test(arguments: ChatTemplateGoldens.all.chats)
    func `lays a conversation out as jinja2 does`(_ chat: ChatTemplateGoldens.Chat) throws {
        let layout = try ChatTemplate.layout(
            of: chat.template, hasSystem: true,
            turns: goldens.turns.map { try #require(Prompt.Turn.Role(rawValue: $0[0])) },
            beginning: chat.beginning, ending: chat.ending, now: goldens.now)
        let text = layout.text(
            system: goldens.system, turns: goldens.turns.map { $0[1] }, contexts: [goldens.contexts],
            question: goldens.question)
        #expect(text == chat.withTurns)
    }

    @Test func `leaves contexts and question in the user's message, side by side`() throws {
        let layout = try layout("{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}")
        #expect(
            layout.pieces == [
                .glue("[system:"), .system, .glue("][user:"), .contexts, .question, .glue("]"),
            ])
    }

    @Test func `without a place for a system text has it at the head of the user's message`() throws {
        let refusing =
            "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
            + "<{{ m.content }}>{% endfor %}"
        let deaf = "{% for m in messages if m.role == 'user' %}<{{ m.content }}>{% endfor %}"
        for template in [refusing, deaf] {
            #expect(try layout(template).pieces == [.glue("<"), .system, .contexts, .question, .glue(">")])
        }
    }

    @Test(arguments: [
        ("{{ messages[-1].content | upper }}", "not at all"),
        ("{{ messages[-1].content }}{{ messages[-1].content }}", "more than once"),
        ("{{ messages[-1].content[:9] }}{{ messages[-1].content }}", "a part of a message"),
        ("{{ messages[-1].content.replace('\"', '') }}", "not at all"),
        ("plain", "not at all"),
        ("{{ messages | tojson }}", "tojson"),
        ("{{ raise_exception('only with tools') }}", "only with tools"),
        ("{% include 'x' %}", "include"),
        ("{% if %}", "value is needed"),
        ("{% if true %}", "has no end"),
        ("{% endif %}", "“endif”"),
        ("{{ 'a }}", "has no end"),
        ("{{ a.b.c }}", "undefined"),
        ("{{ 1 // 0 }}", "64-bit"),
        ("{{ messages }}", "a list"),
    ])
    func `that can't be honoured says why`(_ template: String, _ reason: String) {
        let error = #expect(throws: TesseraError.self) { try layout(template, hasSystem: false) }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("--template") == true)
    }

    @Test(arguments: [
        "{% for a in range(9000) %}{% for b in range(9000) %}{% for c in range(9000) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(t='x') %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
        "{% set ns = namespace(t=[1]) %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
        "{% set ns = namespace(t=[1]) %}{% for i in range(9000) %}{% set ns.t = [ns.t] %}{% endfor %}",
        "{% set ns = namespace(t=[1]) %}{% for i in range(99) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.t = ns %}{% set ns.t = [ns] %}",
        "{% for i in range(9000) %}{{ 'x' * 1000 }}{% endfor %}",
        "{{ 'x' * 999999999999 }}", "{{ range(999999999) }}", "{{ 9999999999999999999 }}",
        "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}",
        String(repeating: "{% if true %}", count: 5000) + String(repeating: "{% endif %}", count: 5000),
        "{{ " + String(repeating: "(", count: 5000) + String(repeating: ")", count: 5000) + " }}",
        "{{ " + String(repeating: "not ", count: 5000) + "x }}",
        "{{ a" + String(repeating: ".a", count: 5000) + " }}",
        "{{ 1" + String(repeating: " + 1", count: 5000) + " }}",
        "{{ " + String(repeating: "[", count: 300) + " }}",
        String(repeating: "{{ 1 }}", count: 100_000), String(repeating: "x", count: 1 << 20), "{{", "{%", "{#",
        "{{ '\\u12",
    ])
    func `that is hostile ends in an error`(_ template: String) {
        #expect(throws: TesseraError.self) { try layout(template, hasSystem: false) }
    }

    private func layout(_ template: String, hasSystem: Bool = true) throws -> PromptLayout {
        try ChatTemplate.layout(of: template, hasSystem: hasSystem, beginning: "<s>", ending: "</s>")
    }
}
