# SPDX-License-Identifier: Apache-2.0
"""The texts of the tokenizer fixtures: what the vocabularies are trained on, and the strings of the goldens."""

WORDS = {
    "en": """the of and to in is that for it was on are as with they be at one have this from by hot word but what some
        we can out other were all there when up use your how said an each she which do their time if will way about many
        then them write would like so these her long make thing see him two has look more day could go come did number
        sound no most people my over know water than call first who may down side been now find any new work part take
        get place made live where after back little only round man year came show every good report house Paris""",
    "de": """der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er
        hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis
        mehr durch man sein wurde Straße größer Fußgänger Übergang schön Bücher Rechtsschutzversicherungsgesellschaft""",
    "fr": """le de un être et à il avoir ne je son que se qui ce dans en du elle au pour pas vous par sur faire plus dire
        me on mon lui nous comme mais pouvoir avec tout y aller voir où été français cœur naïve garçon aujourd'hui""",
    "es": "el la de que y a en un ser se no haber por con su para como estar tener le lo todo pero más hacer niño años él",
    "vi": "của và các có được cho người trong một những là với không đã này về khi đến từ như năm nước trường đại học",
    "tr": "bir ve bu da ne için çok ama daha gibi değil kadar sonra olarak şey İstanbul ışık yağmur güneş öğrenci çağ",
    "ru": """и в не на я быть он с что а по это она этот к но они мы весь который из у то за свой весь год человек время
        город вода дом первый новый работа отчёт ёлка""",
    "el": "και το να του της με από που για είναι στο θα δεν τα την ένα οι αυτό σας μας άνθρωπος χρόνος ημέρα",
    "he": "של את על לא הוא זה עם כי גם אני היא אבל מה יש כל בית שנה יום שָׁלוֹם",
    "ar": "في من على إلى أن هذا التي كان عن مع لا ما هو قد كل بعد العربية مُحَمَّد ـــ ٠١٢٣٤",
    "hi": "के है में की और को का एक यह से पर हैं कि नहीं ने भी हिन्दी क्षत्रिय विद्यार्थी १२३",
    "th": "ที่และใน การเป็น ของมีได้ ไม่ จะ ความให้ ภาษาไทย น้ำ ผู้ใหญ่ กรุงเทพมหานคร",
    "ko": "이 그 것 수 있다 하다 되다 사람 우리 시간 한국어 안녕하세요 대한민국 서울특별시",
    "ja": "の に は を た が で て と し れ さ ある いる も する から な こと 日本語 東京都 カタカナ ひらがな ガギグゲゴ",
    "zh": "的 一 是 不 了 在 人 有 我 他 这 中 大 来 上 国 中华人民共和国 北京 上海 大学 学生 计算机 科学 技术 𠀀 𪚥",
}

CODE = """
def area(width: float, height=2.5):\\n    return width * height  # m²
for (int i = 0; i < n; ++i) {\\n\\tsum += values[i] >> 3;\\n}
func load(_ path: String) throws -> [UInt8] { try Data(contentsOf: url).map { $0 } }
SELECT name, COUNT(*) FROM users WHERE id != 42 GROUP BY 1 HAVING COUNT(*) >= 10;
<div class="row">\\r\\n  <a href='https://example.org/a?b=c&d=%20e#f'>x</a>\\r\\n</div>
{"key": [1, 2.0, -3e-7, null, true], "name": "\\u00e9\\n"}
if [[ -z "$HOME" ]]; then echo "${PATH//:/ }" | sed -E 's/(a|b)+/\\1/g'; fi
#include <stdio.h>\\nint main(void) { printf("%5.2f\\n", 3.14159); return 0; }
let x = a?.b ?? c!; let y = x as? [String: Any] ... 0..<10 && !flag || mask & 0xFF ^ ~1
""".strip().replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r").split("\n")

EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇫🇷🇯🇵", "❤️", "☕", "🧑🏿‍🚀", "1️⃣", "✈", "🫠", "🤷‍♀️", "©️", "™"]

SPACES = [
    " ", "  ", "   ", "       ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", " \n \n", "\u00a0", "\u0085",
    "\u1680", "\u180e", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u200b", "\ufeff", "\v", "\f",
    "\x1c", " \t ", "\n\t\n", "\u3000 ", " \u3000", "\u00a0\u00a0", "\r\r\n ", "  \r\n  "]

SPECIAL = [
    "<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|reserved_special_token_1|>", "<|reserved_special_token_10|>", "<|im_start|>", "<|im_end|>", "<tool_call>",
    "</tool_call>", "<tool_call>call", "<s>", "</s>", "<unk>", "[INST]", "[/INST]", "[INST][", "    |", "<0x41>",
    "<0x0A>", "<|endoftext", "|endoftext|>", "<|im_start", "<<|im_end|>>", "<|reserved_special_token_1", "< s>", "<S>"]

CONTRACTIONS = [
    "'s", "'S", "'t", "'T", "'re", "'RE", "'Re", "'rE", "'ve", "'VE", "'m", "'M", "'ll", "'LL", "'lL", "'d", "'D",
    "'\u017f", "’s", "'x", "'", "''", "'ss", "'llama", "'ree", "'\ufb06", "'\u212a", "n't", "o'clock", "'vE'lL"]

SCRIPTS = {
    "ascii": [(0x20, 0x7E)], "controls": [(0x00, 0x1F), (0x7F, 0x9F)], "latin": [(0xA0, 0x24F)],
    "ipa": [(0x250, 0x2FF)], "combining": [(0x300, 0x36F), (0x1AB0, 0x1ACE), (0x20D0, 0x20F0)],
    "greek": [(0x370, 0x3FF), (0x1F00, 0x1FFF)], "cyrillic": [(0x400, 0x52F)], "armenian": [(0x531, 0x58A)],
    "hebrew": [(0x591, 0x5F4)], "arabic": [(0x600, 0x6FF), (0xFB50, 0xFBB1)], "syriac": [(0x700, 0x74F)],
    "devanagari": [(0x900, 0x97F)], "bengali": [(0x980, 0x9FE)], "tamil": [(0xB82, 0xBFA)], "thai": [(0xE01, 0xE5B)],
    "tibetan": [(0xF00, 0xFDA)], "georgian": [(0x10A0, 0x10FF)], "jamo": [(0x1100, 0x11FF)],
    "ethiopic": [(0x1200, 0x137C)], "cherokee": [(0x13A0, 0x13F5)], "khmer": [(0x1780, 0x17F9)],
    "mongolian": [(0x1800, 0x1878)], "punctuation": [(0x2000, 0x206F)], "superscripts": [(0x2070, 0x209C)],
    "letterlike": [(0x2100, 0x218B)], "arrows": [(0x2190, 0x23FF)], "enclosed": [(0x2460, 0x24FF)],
    "boxes": [(0x2500, 0x27BF)], "cjk symbols": [(0x3000, 0x303F)], "kana": [(0x3041, 0x30FF)],
    "cjk": [(0x4E00, 0x9FFF)], "compatibility": [(0xF900, 0xFAD9)], "yi": [(0xA000, 0xA48C)],
    "hangul": [(0xAC00, 0xD7A3)], "private": [(0xE000, 0xE0FF)], "presentation": [(0xFE00, 0xFE6B)],
    "wide": [(0xFF01, 0xFFEE)], "specials": [(0xFFF0, 0xFFFF)], "gothic": [(0x10330, 0x1034A)],
    "cuneiform": [(0x12000, 0x12399)], "mathematics": [(0x1D400, 0x1D7FF)], "emoji": [(0x1F300, 0x1FAF8)],
    "cjk b": [(0x20000, 0x2A6DF)], "tags": [(0xE0001, 0xE007F)], "end": [(0x10FFF0, 0x10FFFF)],
    "new in Unicode 16 and 17": [(0x10D40, 0x10D65), (0x105C0, 0x105F3), (0x11DB0, 0x11DE9), (0xA7CB, 0xA7DC)],
}

HAND_MADE = [
    "", " ", "  ", "a", " a", "  a", "a ", "a  ", "\n", "\0", "a\0b", "\u0085", "a\u0085b", "▁", "a▁b", "▁▁a", "Ġ", "Ċ",
    "e\u0301", "é", "\u1e9b\u0323", "\u0344", "\u0958", "\u212b", "\u2126", "\ufb01", "\u1100\u1161\u11a8", "각",
    "q\u0307\u0323", "a\u0323\u0307\u0301", "\u0301", " \u0301", "\u0301a", "ｶﾞ", "が", "か\u3099",
    "\u202eabc\u202c", "1234567890", "12 345 678", "1,234,567.89", "3.14159e-10", "0x1F600", "٣٤٥٦", "१२३४५", "Ⅷ½²",
    "I'M I'm DON'T don't we'll WE'LL they'Ve", "he''s", "HelloWorld helloWorld hello_world HELLO", "...", "?!?!", "--->",
    "a" * 300, "ab" * 200, " " * 100, "\n" * 50, " \n" * 30, "=" * 80, "é" * 60, "字" * 60, "😀" * 20, "1" * 50,
    "Rechtsschutzversicherungsgesellschaften" * 4, "\t\t\tif (x):\n\t\t\t\treturn", "x = 1\r\n\r\n\r\ny = 2\r\n",
    "        return None", "end of line   \n   next", "a\n\n\n   b", "\n\n a", " \r\n\t x", "foo\u00a0bar", "a\u200bb",
    "zero\u200dwidth", "\ufeffBOM", "A\u030a", "ÅÅ", "\U0010ffff", "\ud7ff\ue000", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "ﷺ", "Ǆǅǆ", "ßẞ", "İıIi",
    "a" + "\u0301\u0323" * 40, "a" + "\u0344" * 70, "\u0344\u0323x", "\u1100\u1161\u11a8\u11a8", "\u1100\u1161\u0301\u11a8",
    "a\u0327\u0301\u0301", "\u0b47\u0300\u0b3e", "\u0dd9\u0dcf\u0dca", "\u1025\u102e", "\ufb2c\u05b0", "\u2adc\u0338",
    "\u0958\u093c", "豈更車", "\U0002f800", "\U0001d15e\U0001d165", "\u1ac4\u20eb\u1ab0", "a\u0323\u1abf\u0301",
]


def training_text(generator):
    """Lines of words in many languages, code, numbers and emoji."""
    words = {language: text.split() for language, text in WORDS.items()}
    lines = []
    for language, own in words.items():
        for _ in range(1200 if language == "en" else 300):
            line = " ".join(generator.choices(own, weights=[1 / (1 + i) for i in range(len(own))], k=12))
            lines.append(line[:1].upper() + line[1:] + generator.choice([".", "?", "!", "…", ", ", "。"]))
    for _ in range(400):
        lines.append(generator.choice(CODE) + generator.choice(["", " // ", "    "]) + generator.choice(words["en"]))
        lines.append(f"{generator.randrange(10 ** generator.randint(1, 9))} {generator.random() * 100:.2f} "
                     f"20{generator.randrange(10, 30)}-0{generator.randrange(1, 10)}")
        lines.append(generator.choice(EMOJI) + " " + generator.choice(words["en"]) + generator.choice(CONTRACTIONS))
        lines.append("    " * generator.randint(1, 4) + generator.choice(words["en"]) + " = "
                     + generator.choice(words["en"]) + "(" + generator.choice(words["fr"]) + ")")
    generator.shuffle(lines)
    return lines


def strings(generator):
    """The strings of the goldens, each once."""
    words = [word for text in WORDS.values() for word in text.split()]
    fragments = [words, words, words, EMOJI, SPACES, SPACES, SPECIAL, CONTRACTIONS, CODE]
    cases = list(HAND_MADE)
    cases += words + CODE + EMOJI + SPACES + SPECIAL + CONTRACTIONS
    cases += ["I" + contraction + "x" for contraction in CONTRACTIONS]
    cases += ["a" + space + "b" for space in SPACES] + [space + "x" + space for space in SPACES]
    cases += [before + token + after for token in SPECIAL for before, after in [("a", "b"), (" ", " "), ("", token)]]
    for ranges in SCRIPTS.values():
        for _ in range(30):
            cases.append(from_ranges(generator, ranges, generator.randint(1, 16)))
    for _ in range(700):
        names = generator.choices(list(SCRIPTS), k=generator.randint(2, 5))
        cases.append("".join(from_ranges(generator, SCRIPTS[name], generator.randint(1, 4)) for name in names))
    for _ in range(1700):
        count = generator.randint(1, 7)
        parts = [generator.choice(generator.choice(fragments)) for _ in range(count)]
        cases.append(generator.choice(["", " "]).join(parts))
    for _ in range(500):
        cases.append("".join(generator.choice(" \n\t\r\u00a0\u3000ab1.'s") for _ in range(generator.randint(2, 14))))
    for _ in range(300):
        cases.append(generator.choice(["", " ", "-", "$"]) + str(generator.randrange(10 ** generator.randint(1, 15))))
    return list(dict.fromkeys(cases))


def from_ranges(generator, ranges, count):
    """Characters of some ranges, without surrogates."""
    drawn = []
    while len(drawn) < count:
        first, last = generator.choice(ranges)
        code = generator.randint(first, last)
        if not 0xD800 <= code < 0xE000:
            drawn.append(chr(code))
    return "".join(drawn)
