// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRetrieval

@Suite struct `A file of 50 MB` {
    private static let size = 50 << 20

    /// Counts like a real tokenizer, four bytes a token, at no cost, and never sees more than a few kilobytes.
    private static let encoder = TokenEncoder(digest: WordTokenizer().digest) { text in
        precondition(text.utf8.count < 1 << 16, "too much text at once")
        return Array(repeating: 1, count: (text.utf8.count + 3) / 4)
    }

    private func chunk(
        _ line: String, _ format: DocumentFormat = .text, size: Int = Self.size
    ) throws -> (chunks: Int, bytes: Int) {
        let line = Array(line.utf8)
        var bytes: [UInt8] = []
        while bytes.count < size { bytes += line }
        var (count, total) = (0, 0)
        let chunker = try Chunker(encoder: Self.encoder, options: ChunkingOptions())
        try chunker.forEachChunk(of: TextDocument(file: bytes, format: format)) { chunk in
            count += 1
            total += chunk.text.utf8.count - 2
        }
        return (count, total)
    }

    @Test(arguments: [
        "This is a sentence of the report. Another one follows it here.\n\n",
        "2026-11-23 12:00:00 a line of a log file without an end\n", "nospaceatall", "日本語の文章が続いて", "word ", "a. ",
    ])
    func `is cut into full chunks`(line: String) throws {
        let (chunks, bytes) = try chunk(line)
        // 512 tokens of four bytes each, and white space that falls between chunks.
        #expect(bytes > Self.size - 4 * chunks && bytes <= Self.size + line.utf8.count)
        #expect((Self.size / 2_048...Self.size / 1_000).contains(chunks))
    }

    @Test func `of blank lines is empty`() {
        #expect(throws: Refusal("it is empty")) { try chunk("\n") }
    }

    @Test func `of Markdown or HTML, somewhat smaller, is cut as well`() throws {
        #expect(try chunk("## Title\n\nSome text with *markup* in it.\n\n", .markdown, size: 10 << 20).chunks > 200_000)
        #expect(try chunk("<h2>Title</h2><p>Some text with <b>markup</b>.\n", .html, size: 10 << 20).chunks > 200_000)
    }
}
