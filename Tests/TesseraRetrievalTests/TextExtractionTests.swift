// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TesseraRetrieval

private func document(_ text: String, _ format: DocumentFormat) throws -> TextDocument {
    try TextDocument(file: Array(text.utf8), format: format)
}

private func text(_ html: String) throws -> String {
    String(decoding: try document(html, .html).bytes, as: UTF8.self)
}

private func titles(_ text: String, _ format: DocumentFormat) throws -> [[String]] {
    try document(text, format).sections.map(\.titles)
}

@Suite struct `Text extraction` {
    @Test func `leaves out a byte order mark`() throws {
        let document = try TextDocument(file: [0xEF, 0xBB, 0xBF] + Array("Text".utf8), format: .text)
        #expect(document.sections.map(\.range) == [3..<7])
        let page = try TextDocument(file: [0xEF, 0xBB, 0xBF] + Array("<p>Té".utf8), format: .html)
        #expect(String(decoding: page.bytes, as: UTF8.self) == "Té")
    }

    @Test(
        arguments: [
            ([0x61, 0x00, 0x62], "it is no text: a zero byte at offset 1"),
            ([0x61, 0x62, 0xE9, 0x20], "it is no UTF-8 at byte 2; save it as UTF-8"),
            ([0x61, 0xC3], "it is no UTF-8 at byte 1; save it as UTF-8"),
            ([0xFF, 0xFE, 0x61, 0x00], "it is UTF-16; save it as UTF-8"),
            ([], "it is empty"), ([0x20, 0x0A, 0xC2, 0xA0, 0x0D, 0x0A], "it is empty"),
        ] as [([UInt8], String)], DocumentFormat.allCases)
    func `refuses what is no text`(file: ([UInt8], String), format: DocumentFormat) {
        #expect(throws: Refusal(file.1)) { try TextDocument(file: file.0, format: format) }
    }

    @Test func `knows a format by the ending of the name`() {
        #expect(DocumentFormat(path: "/a.b/README.MD") == .markdown)
        #expect(DocumentFormat(path: "x.htm") == .html)
        #expect(DocumentFormat(path: "/a.txt/b") == nil)
        #expect(DocumentFormat(path: "a.pdf") == nil)
    }
}

@Suite struct `Markdown` {
    @Test func `has its headings where CommonMark sees them`() throws {
        let markdown = """
            # One *two* `three` &amp; [four](http://a.b)

            ```
            # not this
            ```

                # nor this

            <!--
            # nor this
            -->

            > # nor this

            - # nor this

            Setext
            title
            ===

            #nor this

            ## Last ##
            text
            """
        #expect(
            try titles(markdown, .markdown) == [
                ["One two three & four"], ["Setext title"], ["Setext title", "Last"],
            ])
    }

    @Test func `leaves out front matter but for the title`() throws {
        let markdown = "---\ntitle: \"The Mill\"\ntags: [a, b]\n---\n\nIt grinds.\n\n# Wheel\n\nIt turns."
        let document = try document(markdown, .markdown)
        #expect(document.sections.map(\.titles) == [["The Mill"], ["The Mill", "Wheel"]])
        let first = try #require(document.sections.first)
        #expect(String(decoding: document.bytes[first.range], as: UTF8.self) == "\nIt grinds.\n\n")
    }

    @Test func `keeps what only begins like front matter`() throws {
        let document = try document("---\ntext that goes on\n\nand on", .markdown)
        #expect(document.sections.first?.range == 0..<document.bytes.count)
    }
}

@Suite struct `HTML` {
    @Test func `becomes its visible text`() throws {
        let html = """
            <!DOCTYPE html><html><head><title>Mill</title><style>p { color: red }</style></head><body>
            <nav><ul><li>Home</ul></nav><div role="navigation">Menu</div><p hidden>Draft</p>
            <script>if (a < b) { document.write("<p>x</p>") }</script>
            <p>Ann &amp; Bob&#8217;s   <b>old</b>
            mill &mdash; 3&nbsp;&lt;&nbsp;4<br>stands<p>by the lake.
            <ul><li>One<li><p>Two</p></li></ul>
            <table><tr><td>a<td>b<tr><td>c</td><td>d</td></tr></table>
            <pre>x
              y</pre></body></html>
            """
        #expect(
            try text(html) == """
                Ann & Bob’s old mill — 3\u{A0}<\u{A0}4
                stands

                by the lake.

                - One
                - Two

                a | b
                c | d

                x
                  y
                """)
    }

    @Test func `has a section for each heading`() throws {
        let html = """
            <title>Handbook</title><p>Intro</p><h1>The <i>Mill</i></h1><p>It grinds.</p><h2>Wheel</h2>It turns.<h2> </h2>
            <p>More.<h1>Lake</h1>
            """
        let document = try document(html, .html)
        #expect(
            document.sections.map(\.titles) == [
                ["Handbook"], ["Handbook", "The Mill"], ["Handbook", "The Mill", "Wheel"], ["Handbook", "Lake"],
            ])
        let texts = document.sections.map { String(decoding: document.bytes[$0.range], as: UTF8.self) }
        #expect(
            texts.map { $0.split(separator: "\n") } == [
                ["Intro"], ["# The Mill", "It grinds."], ["## Wheel", "It turns.", "More."], ["# Lake"],
            ])
    }

    @Test(
        arguments: [
            ("<meta charset=\"iso-8859-1\"><p>caf", [0xE9, 0x20, 0x93, 0x94], "café “”"),
            ("<META http-equiv=Content-Type content='text/html; charset=windows-1251'><p>", [0xCC, 0xE8, 0xF0], "Мир"),
            ("<?xml version='1.0' encoding='Shift_JIS'?><p>", [0x93, 0xFA, 0x96, 0x7B], "日本"),
            ("<meta charset=utf-8><p>", [0xC3, 0xA9], "é"), ("<p>", [0xC3, 0xA9], "é"),
        ] as [(String, [UInt8], String)])
    func `is read in the charset that it declares`(head: String, bytes: [UInt8], expected: String) throws {
        let document = try TextDocument(file: Array(head.utf8) + bytes, format: .html)
        #expect(String(decoding: document.bytes, as: UTF8.self) == expected)
    }

    @Test func `is refused in a charset that is not known`() {
        #expect(throws: Refusal("its charset \"klingon\" is not known; save it as UTF-8")) {
            try document("<meta charset=klingon><p>x", .html)
        }
    }

    @Test func `may be nested as deep as it likes`() throws {
        let deep = String(repeating: "<div><span>", count: 100_000) + "core"
        #expect(try text(deep) == "core")
    }

    @Test func `may be broken`() throws {
        #expect(try text("<p>a</div></p></b><b>b<i>c</b>d<unknown x=>e<!-- f") == "a\n\nbcde")
    }
}
