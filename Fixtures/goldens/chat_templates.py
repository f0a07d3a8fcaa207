# SPDX-License-Identifier: Apache-2.0
"""Renders chat templates and snippets of Jinja with jinja2, in the settings that transformers renders them with.

    pip install jinja2
    python Fixtures/goldens/chat_templates.py
"""

import json
import pathlib
from datetime import datetime, timezone

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).parent
NOW = datetime(2026, 3, 7, 12, tzinfo=timezone.utc)
SYSTEM, CONTEXTS, QUESTION = "You answer from reports.", "Ada lives in Bonn.\nKai lives in Oslo.\n", "Where is Ada?"
TURNS = [("user", "Who is Kai?"), ("assistant", "A sailor.\nFrom Oslo."), ("user", "And Ada?"), ("assistant", "A smith.")]

# name: (text of the opening token, text of the ending token)
SPECIALS = {
    "chatml": ("<s>", "<|im_end|>"),
    "smollm2": ("<|im_start|>", "<|im_end|>"),
    "qwen2.5": (None, "<|im_end|>"),
    "qwen3": (None, "<|im_end|>"),
    "llama-2": ("<s>", "</s>"),
    "llama-3": ("<|begin_of_text|>", "<|eot_id|>"),
    "llama-3.2": ("<|begin_of_text|>", "<|eot_id|>"),
    "zephyr": ("<s>", "</s>"),
    "mistral-v0.2": ("<s>", "</s>"),
    "mistral-v0.3": ("<s>", "</s>"),
    "phi-3": ("<s>", "<|endoftext|>"),
    "gemma-2": ("<bos>", "<eos>"),
    "deepseek": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
}

SNIPPETS = [
    "plain text\n", "two\n\n", "a {# comment #} b", "a {#- comment -#} b", "{# c #}\nb", "  {# c #}\nb",
    "{% if true %}\nyes\n{% endif %}\nend", "  {% if true %}\n  yes\n  {% endif %}\n end", "x  {% if true %} y{% endif %}",
    "a\n  {{- 'b' -}}  \nc", "a\n  {{ 'b' }}  \nc", "a {%- if true -%} b {%- endif -%} c", "{%+ if true %}\n a{% endif +%}\nb",
    "  {%+ if true %}a{% endif %}", "\t{% set x = 1 %}{{ x }}\n", "{{ 'a' }}\n{{ 'b' }}\n", "a\r\n{% if true %}\r\nb{% endif %}",
    "{{ 'it''s' }}", r"{{ 'a\n\tb\\ \'q\' \x41 é' }}", '{{ "double \\"q\\"" }}', "{{ 'ä😀' | length }}", "{{ 'ä😀z'[1] }}",
    "{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 - -3 }}",
    "{{ 1 ~ 'a' ~ true ~ none }}", "{{ 'a' ~ 1 ~ 2 }}", "{{ 'ab' * 3 }}",
    "{{ not true or true }} {{ not (true or true) }} {{ not 1 == 2 }} {{ true and false or true }}",
    "{{ 1 == true }} {{ '1' == 1 }} {{ none == none }} {{ 'a' < 'b' }} {{ 2 >= 3 }}",
    "{{ 'b' in 'abc' }} {{ 'z' not in ['a'] }} {{ 'k' in {'k': 1} }} {{ not 'k' in {} }}",
    "{{ x is defined }} {{ x is not defined }} {{ x is none }} {{ none is none }} {{ x is undefined and not y is defined }}",
    "{{ 'a' is string }} {{ 1 is string }} {{ {} is mapping }} {{ [] is iterable }} {{ 3 is odd }} {{ 4 is even }}",
    "{{ true is true }} {{ 1 is true }} {{ false is false }} {{ 2 is number }} {{ 'x' is eq 'x' }} {{ 3 is in [1, 3] }}",
    "{{ 'yes' if true else 'no' }} {{ 'yes' if false else 'no' }} {{ 'a' if false }}|", "{{ 'a' if x else 'b' if y else 'c' }}",
    "{{ x }}|{{ x | default('d') }}|{{ '' | default('d') }}|{{ '' | default('d', true) }}|{{ none | d('d', boolean=true) }}",
    "{{ '  a b ' | trim }}|{{ '\n a'.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xxa'.lstrip('x') }}|{{ 'axx'.rstrip('x') }}",
    "{{ 'Ab' | upper }}{{ 'Ab' | lower }}{{ 'Ab'.upper() }}{{ 'aXbX' | replace('X', '-') }}{{ 'aXb'.replace('X', '') }}",
    "{{ 'a,b,,c'.split(',') | join('|') }} {{ ' a  b '.split() | join('|') }} {{ 'abc'.split('x')[0] }} {{ 'aXb'.split('X')[-1] }}",
    "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith('') }} {{ 'e\u0301'.startswith('e') }}",
    "{{ 'abcdef'[1:3] }} {{ 'abcdef'[:-2] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[4:] }} {{ 'abc'[-1] }} {{ 'abcdef'[4:1:-1] }}",
    "{{ [1, 2, 3] | first }}{{ [1, 2, 3] | last }}{{ [1, 2, 3] | length }}{{ [3, 4][-1] }}{{ [1, 2][5] }}{{ ([1] + [2]) | join }}",
    "{{ [1, 2, 3] | reverse | join }}{{ 'abc' | reverse }}{{ 'abc' | list | join('-') }}{{ ' 12 ' | int + 1 }}{{ 5 | string + '!' }}",
    "{{ {'a': {'b': 7}}.a.b }} {{ {'a': 1}['a'] }} {{ {'a': 1}.get('z', 2) }} {{ {'a': 1}.get('a') }} {{ {'a': 1}.z }}|",
    "{% for i in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }};{% endfor %}",
    "{% for i in [1, 2, 3] %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}", "{% for i in [] %}a{% else %}none{% endfor %}",
    "{% for i in range(5) if i is odd %}{{ i }}{{ loop.index }} {% endfor %}{% for i in range(2, 4) %}{{ i }}{% endfor %}",
    "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}{% for k in {'a': 1} %}{{ k }}{% endfor %}",
    "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "{% set a, b = [1, 2] %}{{ a }}{{ b }}",
    "{% set ns = namespace(n=0) %}{% for i in [1, 2, 3] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}{{ ns.missing }}|",
    "{% set x %}a{{ 1 }}b{% endset %}[{{ x }}]", "{% if false %}a{% elif 0 %}b{% elif 'x' %}c{% else %}d{% endif %}",
    "{% set m = [{'r': 'u', 'c': 'x'}, {'r': 'a', 'c': 'y'}] %}{% for i in m | selectattr('r', 'equalto', 'u') %}{{ i.c }}{% endfor %}"
    "{{ (m | rejectattr('r', 'equalto', 'u') | list)[0].c }}{{ m | selectattr('z', 'defined') | list | length }}",
    "{% macro f(a) %}<{{ a }}>{% endmacro %}after", "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d') }}", "{{ {'a': {}} | length }}",
    "{{ 'a' if 'x' in 'xyz' and not false else 'b' }}", "{{ ('a', 'b')[1] }}", "{{ 'x' | trim | upper ~ 'y' }}", "{{ none is not none }}",
]  # fmt: skip


def environment() -> ImmutableSandboxedEnvironment:
    def refuse(message):
        raise jinja2.TemplateError(message)

    result = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    result.globals["raise_exception"] = refuse
    result.globals["strftime_now"] = NOW.strftime
    return result


def rendered(template, beginning, ending, messages) -> str:
    specials = {"bos_token": beginning, "eos_token": ending}
    return template.render(
        messages=messages, tools=None, documents=None, add_generation_prompt=True,
        **{name: token for name, token in specials.items() if token is not None})  # fmt: skip


def chats() -> list[dict]:
    """Each template with and without a system text, and with earlier turns. A template that has no place for one has it before the contexts."""
    result = []
    for name, (beginning, ending) in SPECIALS.items():
        text = (HERE / "templates" / f"{name}.jinja").read_text()
        template = environment().from_string(text)
        system = {"role": "system", "content": SYSTEM}
        user = {"role": "user", "content": CONTEXTS + QUESTION}
        turns = [{"role": role, "content": content} for role, content in TURNS]
        try:
            with_system = rendered(template, beginning, ending, [system, user])
            with_turns = rendered(template, beginning, ending, [system, *turns, user])
        except jinja2.TemplateError:
            with_system = rendered(template, beginning, ending, [{**user, "content": SYSTEM + user["content"]}])
            first = {**turns[0], "content": SYSTEM + turns[0]["content"]}
            with_turns = rendered(template, beginning, ending, [first, *turns[1:], user])
        result.append({
            "name": name, "template": text, "beginning": beginning, "ending": ending, "withSystem": with_system,
            "withoutSystem": rendered(template, beginning, ending, [user]), "withTurns": with_turns,
        })  # fmt: skip
    return result


def main() -> None:
    snippets = [{"template": s, "text": environment().from_string(s).render()} for s in SNIPPETS]
    goldens = {
        "now": int(NOW.timestamp()), "system": SYSTEM, "contexts": CONTEXTS, "question": QUESTION, "turns": TURNS,
        "chats": chats(), "snippets": snippets,
    }  # fmt: skip
    text = json.dumps(goldens, ensure_ascii=False, indent=1)
    (HERE / "chat_templates.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
