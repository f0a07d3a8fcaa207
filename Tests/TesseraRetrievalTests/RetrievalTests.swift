// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRetrieval

@Suite struct `A retrieval` {
    @Test(arguments: [
        "", " ", "?!", "\"", "\"\"\"", "a\"b", "NEAR(mill lake, 5)", "mill AND", "OR", "NOT mill", "title:mill",
        "-mill",
        "mill*", "^mill", "(mill", "mill)", "{title}: mill", "mill + lake", "\u{0}mill\u{0}",
        "'; DROP TABLE chunks; --",
        "🙂", "e\u{301}\u{301}\u{301}", "日本語", "\u{200B}", "½ ², Ⅷ", "a\u{300}", "\u{300}", "mill\nlake\ttower",
        String(repeating: "mill ", count: 10_000), String(repeating: "x", count: 100_000),
        (0..<3_000).map { "word\($0)" }.joined(separator: " "),
    ])
    func `takes any question`(question: String) async throws {
        try await withWorkplace { place in
            try place.write("The mill stands at the lake.", to: "x.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            let hits = try await index.retrieve(question, limit: 5)
            #expect(hits.isEmpty == !question.contains("mill"))
        }
    }

    @Test func `takes random questions`() async throws {
        try await withWorkplace { place in
            try place.write("The mill stands at the lake.", to: "a.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            var random = SeededGenerator(seed: 3)
            let pieces = [
                "mill", "\"", "(", ")", "*", ":", "AND", "NOT", "NEAR", " ", "^", "+", "-", ",", "{", "}", "'",
            ]
            for _ in 0..<500 {
                let question = (0..<12).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
                _ = try await index.retrieve(question, limit: 2)
            }
        }
    }

    @Test func `finds other forms of a word, in any case, with and without accents`() async throws {
        try await withWorkplace { place in
            try place.write("Ann repaired both mills near Café Zoë.", to: "a.txt")
            try place.write("Nothing to see here.", to: "b.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            for question in ["MILL", "repairing", "repairs", "cafe", "CAFÉ", "zoe"] {
                #expect(try await index.names(question) == ["a.txt"])
            }
        }
    }

    @Test func `finds words in scripts without spaces`() async throws {
        try await withWorkplace { place in
            try place.write("私は東京で新しい図書館を見ました。", to: "ja.txt")
            try place.write("我们在北京参观了一座古老的博物馆。", to: "zh.txt")
            try place.write("ฉันไปตลาดน้ำกับเพื่อน", to: "th.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            #expect(try await index.names("図書館はどこですか").first == "ja.txt")
            #expect(try await index.names("博物馆在哪里").first == "zh.txt")
            #expect(try await index.names("ตลาดน้ำ").first == "th.txt")
            try place.remove("ja.txt")
            try index.sync([place.documents.path])
            #expect(try await index.names("図書館").isEmpty)
        }
    }

    @Test func `finds a chunk by its headings and the name of its file`() async throws {
        try await withWorkplace { place in
            try place.write("# Printer\n\nIntro.\n\n## Paper jam\n\nOpen the rear door.", to: "manual.md")
            try place.write("Send it to the office by May.", to: "travel-expenses.txt")
            try place.write("Doors are painted each year.", to: "c.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            let hits = try await index.retrieve("jam", limit: 5)
            #expect(hits.map(\.source.section) == ["Printer > Paper jam"])
            #expect(try await index.names("expenses of travel") == ["travel-expenses.txt"])
            #expect(try await index.retrieve("printer", limit: 5).count == 2)
        }
    }

    @Test func `is not led by words of the question alone`() async throws {
        try await withWorkplace { place in
            try place.write("What is which? Who does what to whom, and why and how?", to: "a.txt")
            try place.write("The ferry costs four pounds.", to: "b.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            #expect(try await index.names("What does the ferry cost, and why?") == ["b.txt"])
            #expect(try await index.names("Who does what?") == ["a.txt"])
        }
    }

    @Test func `orders equal scores by path and place, whatever the order of arrival`() async throws {
        try await withWorkplace { place in
            let index = try place.index()
            for name in ["c", "a", "b"] {
                try place.write("# One\n\nA mill \(name)1.\n\n# Two\n\nA mill \(name)2.", to: "\(name).md")
                try index.sync([place.path("\(name).md")])
            }
            let hits = try await index.retrieve("mill", limit: 10)
            let places = hits.map {
                URL(fileURLWithPath: $0.source.document).lastPathComponent + " \($0.source.ordinal)"
            }
            #expect(places == ["a.md 0", "a.md 1", "b.md 0", "b.md 1", "c.md 0", "c.md 1"])
            #expect(zip(hits, hits.dropFirst()).allSatisfy { $0.score >= $1.score && $1.score > 0 })
            #expect(try await index.retrieve("mill", limit: 10) == hits)
        }
    }

    @Test func `gives one of several chunks with the same text`() async throws {
        try await withWorkplace { place in
            for name in ["a", "b", "c"] { try place.write("The mill is closed.", to: "\(name).txt") }
            try place.write("The mill is open.", to: "d.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            #expect(try await index.retrieve("mill", limit: 2).count == 2)
        }
    }

    @Test func `gives texts, ids and bytes as they stand in the document`() async throws {
        try await withWorkplace { place in
            let text = "# Mill\r\n\r\nIt grïnds.\r\n\r\n# Lake\r\n\r\nIt lies."
            try place.write(text, to: "a.md")
            let index = try place.index()
            try index.sync([place.documents.path])
            let hit = try #require(try await index.retrieve("lies", limit: 1).first)
            #expect(hit.text == "# Lake\n\nIt lies.\n\n")
            #expect(hit.tokens == place.encoder.encode(hit.text))
            #expect(hit.source.document == place.path("a.md") && hit.source.ordinal == 1)
            let bytes = try #require(hit.source.bytes)
            #expect(String(decoding: Array(text.utf8)[bytes], as: UTF8.self) == "# Lake\r\n\r\nIt lies.")
        }
    }

    @Test func `brings the neighbours of a hit along in reading order`() async throws {
        try await withWorkplace { place in
            var place = place
            place.options.paragraphs = .separate
            let paragraphs = ["Ann.", "Mill.", "Bob.", "Mill mill lake.", "Eve.", "Far.", "End."]
            try place.write(paragraphs.joined(separator: "\n\n"), to: "a.txt")
            try place.write("A lake.", to: "b.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            func texts(_ question: String, _ limit: Int, _ neighbours: Int) async throws -> [String] {
                try await index.retrieve(question, limit: limit, neighbours: neighbours).map {
                    String($0.text.dropLast(2))
                }
            }
            #expect(try await texts("far", 1, 1) == ["Eve.", "Far.", "End."])
            #expect(try await texts("end", 1, 2) == ["Eve.", "Far.", "End."])
            #expect(try await texts("ann", 1, 1) == ["Ann.", "Mill."])
            #expect(try await texts("lake", 2, 1) == ["A lake.", "Bob.", "Mill mill lake.", "Eve."])
            // Two hits that share a neighbour make one run.
            #expect(try await texts("mill", 2, 1) == ["Ann.", "Mill.", "Bob.", "Mill mill lake.", "Eve."])
            let hits = try await index.retriever(neighbours: 1).retrieve("far", limit: 1)
            #expect(hits.map { $0.score > 0 } == [false, true, false])
        }
    }

    @Test func `wants at least one hit to look for any`() async throws {
        try await withWorkplace { place in
            try place.write("The mill.", to: "a.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            #expect(try await index.retrieve("mill", limit: 0).isEmpty)
            #expect(try await index.retrieve("mill", limit: -1).isEmpty)
        }
    }

    @Test func `goes on while the index is written`() async throws {
        try await withWorkplace { place in
            for number in 0..<300 { try place.write("Mill number \(number).", to: "\(number).txt") }
            let index = try place.index()
            try index.sync([place.path("0.txt")])
            async let report = Task.detached { try index.sync([place.documents.path]) }.value
            for _ in 0..<50 { #expect(try await index.retrieve("mill", limit: 3).isEmpty == false) }
            #expect(try await report.added.count == 299)
        }
    }
}
