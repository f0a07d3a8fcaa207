// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRetrieval

private let encoder = TokenEncoder(WordTokenizer())

private func chunks(
    _ text: String, _ format: DocumentFormat = .text, limit: Int = 40, overlap: Int = 0,
    paragraphs: ChunkingOptions.Paragraphs = .packed
) throws -> [Chunk] {
    let options = ChunkingOptions(limit: limit, overlap: overlap, paragraphs: paragraphs)
    return try Chunker(encoder: encoder, options: options).chunks(
        of: TextDocument(file: Array(text.utf8), format: format))
}

private func texts(_ text: String, _ format: DocumentFormat = .text, limit: Int = 40) throws -> [String] {
    try chunks(text, format, limit: limit).map(\.text)
}

private func words(_ text: String) -> [Substring] {
    text.split(whereSeparator: \.isWhitespace)
}

/// A text of sentences, long words, odd spaces, paragraphs and headings.
private func randomText(_ random: inout SeededGenerator) -> String {
    var text = ""
    for _ in 0..<Int.random(in: 1...120, using: &random) {
        switch Int.random(in: 0..<20, using: &random) {
        case 0: text += "\n\n"
        case 1: text += "\r\n\r\n## Part \(Int.random(in: 0..<9, using: &random))\r\n\r\n"
        case 2: text += ". "
        case 3: text += "\u{3000}これは文です。"
        case 4: text += " " + String(repeating: "ab\u{301}c", count: Int.random(in: 1...200, using: &random))
        case 5: text += String(repeating: " ", count: Int.random(in: 1...900, using: &random))
        case 6: text += "\n- point"
        case 7: text += " 👩‍👩‍👧‍👦\u{A0}e\u{301}\u{301}"
        default: text += " word\(Int.random(in: 0..<50, using: &random))"
        }
    }
    return text + "end"
}

@Suite struct `A chunker` {
    @Test(arguments: [DocumentFormat.text, .markdown], [ChunkingOptions.Paragraphs.packed, .separate])
    func `keeps every word in order, no chunk beyond the limit, ids as the tokenizer gives them`(
        format: DocumentFormat, paragraphs: ChunkingOptions.Paragraphs
    ) throws {
        var random = SeededGenerator(seed: 7)
        for limit in [16, 40, 200] {
            for _ in 0..<150 {
                let text = randomText(&random)
                let chunks = try chunks(text, format, limit: limit, paragraphs: paragraphs)
                // A word beyond the limit is split, so that only its characters can be compared.
                #expect(chunks.flatMap { words($0.text) }.joined() == words(text).joined())
                var end = 0
                for chunk in chunks {
                    #expect(chunk.tokens.count <= limit)
                    #expect(chunk.tokens == encoder.encode(chunk.text))
                    #expect(chunk.text.hasSuffix("\n\n") && chunk.text.dropLast().last == "\n")
                    let trimmed = chunk.text.dropLast(2)
                    #expect(trimmed.first?.isWhitespace == false && trimmed.last?.isWhitespace == false)
                    let source = String(decoding: Array(text.utf8)[chunk.bytes], as: UTF8.self)
                    #expect(words(source) == words(chunk.text))
                    #expect(chunk.bytes.lowerBound >= end)
                    end = chunk.bytes.upperBound
                }
            }
        }
    }

    @Test func `packs sentences up to the limit`() throws {
        // Each sentence is seven tokens, the end of a chunk is part of the last one.
        let sentence = "The old mill stands here now."
        let text = Array(repeating: sentence, count: 5).joined(separator: " ")
        #expect(try chunks(text, limit: 16).map(\.tokens.count) == [14, 14, 7])
        #expect(try chunks(text, limit: 22).map(\.tokens.count) == [21, 14])
        #expect(try chunks(text, limit: 35).map(\.tokens.count) == [28, 7])
        #expect(try chunks(text, limit: 36).map(\.tokens.count) == [35])
    }

    @Test func `packs paragraphs until the limit, or keeps each to itself`() throws {
        let text = "One is first.\n\nTwo is second.\n \t\nThree is third.\n"
        #expect(try texts(text) == ["One is first.\n\nTwo is second.\n \t\nThree is third.\n\n"])
        #expect(
            try chunks(text, paragraphs: .separate).map(\.text) == [
                "One is first.\n\n", "Two is second.\n\n", "Three is third.\n\n",
            ])
    }

    @Test func `does not take the end of a line for the end of a sentence`() throws {
        let text = "The old mill stands\nhere by the river. The new one\nstands on the quiet hill."
        #expect(
            try texts(text, limit: 16) == [
                "The old mill stands\nhere by the river.\n\n", "The new one\nstands on the quiet hill.\n\n",
            ])
    }

    @Test func `does not end a sentence behind an abbreviation`() throws {
        let text = "We met Mr. Jones and his two old dogs. They were all quite glad to see us."
        #expect(
            try texts(text, limit: 16) == [
                "We met Mr. Jones and his two old dogs.\n\n", "They were all quite glad to see us.\n\n",
            ])
    }

    @Test func `begins a chunk at each heading, which goes with the text under it`() throws {
        let text = "Intro.\n\n# Mill\n\nIt grinds.\n\n## Wheel ##\nIt turns.\n\n# Lake\n\nIt lies."
        let chunks = try chunks(text, .markdown)
        #expect(
            chunks.map(\.text) == [
                "Intro.\n\n", "# Mill\n\nIt grinds.\n\n", "## Wheel ##\nIt turns.\n\n", "# Lake\n\nIt lies.\n\n",
            ])
        #expect(chunks.map(\.titles) == [[], ["Mill"], ["Mill", "Wheel"], ["Lake"]])
    }

    @Test func `puts a heading without text in front of the next section`() throws {
        let chunks = try chunks("# Guide\n\n## Start\n\nPress it.\n\n## End", .markdown, paragraphs: .separate)
        #expect(chunks.map(\.text) == ["# Guide\n\n## Start\n\nPress it.\n\n", "## End\n\n"])
        #expect(chunks.map(\.titles) == [["Guide", "Start"], ["Guide", "End"]])
    }

    @Test func `changes only the chunks of a section that was edited`() throws {
        let sections = (0..<8).map { number in
            "## Part \(number)\n\n" + (0..<9).map { "Sentence \($0) of part \(number) is here." }.joined(separator: " ")
        }
        var edited = sections
        edited[3] += " One more sentence that makes it longer than it was."
        let before = try texts(sections.joined(separator: "\n\n"), .markdown)
        let after = try texts(edited.joined(separator: "\n\n"), .markdown)
        #expect(before.count > 16)
        #expect(Set(before).subtracting(after).allSatisfy { $0.contains("part 3") })
        #expect(Set(after).subtracting(before).count == 1)
    }

    @Test func `repeats sentences where an overlap is asked for`() throws {
        let text = "One is the first. Two is the next. Three is the third. Four is the last."
        let chunks = try chunks(text, limit: 16, overlap: 1).map(\.text)
        #expect(
            chunks == [
                "One is the first. Two is the next. Three is the third.\n\n",
                "Three is the third. Four is the last.\n\n",
            ])
    }

    @Test func `repeats nothing across a heading`() throws {
        let chunks = try chunks("# A\n\nOne is the first.\n\n# B\n\nTwo is the next.", .markdown, overlap: 2)
        #expect(chunks.map(\.text) == ["# A\n\nOne is the first.\n\n", "# B\n\nTwo is the next.\n\n"])
    }

    @Test func `splits a long sentence at its lines, then at its words`() throws {
        let lines = (0..<4).map { "- " + Array(repeating: "item\($0)", count: 10).joined(separator: " ") }
        #expect(try texts(lines.joined(separator: "\n"), limit: 16) == lines.map { $0 + "\n\n" })
        let long = Array(repeating: "word", count: 31).joined(separator: " ")
        #expect(try chunks(long, limit: 16).map(\.tokens.count) == [16, 16, 2])
    }

    @Test func `splits a word that is too long between characters`() throws {
        let family = "👩‍👩‍👧‍👦"
        let chunks = try texts(String(repeating: family, count: 100), limit: 16)
        #expect(chunks.count > 4)
        for chunk in chunks { #expect(chunk.dropLast(2).allSatisfy { String($0) == family }) }
    }

    @Test func `keeps a block of code together though it has blank lines`() throws {
        let text = "Before.\n\n```\na\n\n# no heading\nb\n```\n\nAfter."
        let chunks = try chunks(text, .markdown, paragraphs: .separate)
        #expect(chunks.map(\.text) == ["Before.\n\n", "```\na\n\n# no heading\nb\n```\n\n", "After.\n\n"])
    }

    @Test func `writes every kind of line end as one`() throws {
        #expect(try texts("One\r\ntwo\rthree.\r\n\r\nFour.") == ["One\ntwo\nthree.\n\nFour.\n\n"])
    }

    @Test func `tokenises each piece of text a few times only`() throws {
        let counter = Counter()
        let counting = TokenEncoder(digest: encoder.digest) { text in
            counter.add(text.utf8.count)
            return encoder.encode(text)
        }
        var text = String(repeating: "Here is a sentence of some words. And this is the next one.\n", count: 2_000)
        text += String(repeating: "x", count: 50_000)
        let chunker = try Chunker(encoder: counting, options: ChunkingOptions(limit: 100))
        _ = try chunker.chunks(of: TextDocument(file: Array(text.utf8), format: .text))
        #expect(counter.value < 4 * text.utf8.count)
    }

    @Test func `refuses options that make no sense`() {
        for options in [ChunkingOptions(limit: 15), ChunkingOptions(limit: -1), ChunkingOptions(overlap: -1)] {
            let error = #expect(throws: TesseraError.self) { try Chunker(encoder: encoder, options: options) }
            #expect(error?.code == .invalidInput)
        }
    }

    @Test func `says so when one character takes more tokens than a chunk holds`() throws {
        let greedy = TokenEncoder(digest: encoder.digest) { Array(repeating: 1, count: 100 * $0.unicodeScalars.count) }
        let chunker = try Chunker(encoder: greedy, options: ChunkingOptions(limit: 64))
        let error = #expect(throws: TesseraError.self) {
            try chunker.chunks(of: TextDocument(file: Array("many words".utf8), format: .text))
        }
        #expect(error?.code == .invalidInput)
    }
}
