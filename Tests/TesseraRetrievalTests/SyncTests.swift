// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRetrieval

@Suite struct `A sync` {
    @Test func `adds, changes and removes what was added, changed and removed on disk`() async throws {
        try await withWorkplace { place in
            try place.write("One.", to: "a.txt")
            try place.write("# Two\n\nIs here.", to: "b/c.md")
            try place.write("<h1>Three</h1><p>Is there.", to: "b/d/e.html")
            try place.write("none", to: "b/f.pdf")
            try place.write("hidden", to: ".git/g.txt")
            try place.write("hidden", to: ".h.txt")
            let index = try place.index()
            var report = try index.sync([place.documents.path])
            #expect(report.added == [place.path("a.txt"), place.path("b/c.md"), place.path("b/d/e.html")])
            #expect(report.changed + report.removed == [] && report.skipped == [] && report.unchanged == 0)
            #expect(try await index.texts() == ["One.", "# Two\n\nIs here.", "# Three\n\nIs there."])

            try place.remove("a.txt")
            try place.write("# Two\n\nIs another.", to: "b/c.md")
            report = try index.sync([place.documents.path])
            #expect(report.removed == [place.path("a.txt")] && report.changed == [place.path("b/c.md")])
            #expect(report.added == [] && report.unchanged == 1)
            #expect(try await index.texts() == ["# Two\n\nIs another.", "# Three\n\nIs there."])
            #expect(try await index.names("One") == [])
            #expect(try await index.names("another") == ["c.md"])

            report = try index.sync([place.documents.path])
            #expect(report.unchanged == 2 && report.added + report.changed + report.removed == [])
        }
    }

    @Test func `does not read a file whose stamp is as it was`() async throws {
        try await withWorkplace { place in
            try place.write("One.", to: "a.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            let date = try FileManager.default.attributesOfItem(atPath: place.path("a.txt"))[.modificationDate]
            let file = try FileHandle(forWritingTo: place.documents.appending(path: "a.txt"))
            try file.write(contentsOf: Data("Two.".utf8))
            try FileManager.default.setAttributes(
                [.modificationDate: try #require(date)], ofItemAtPath: place.path("a.txt"))
            #expect(try index.sync([place.documents.path]).unchanged == 1)
            #expect(try await index.texts() == ["One."])
            try place.age("a.txt", by: 5)
            #expect(try index.sync([place.documents.path]).changed == [place.path("a.txt")])
            #expect(try await index.texts() == ["Two."])
        }
    }

    @Test func `does not cut a file again whose content is as it was`() async throws {
        try await withWorkplace { place in
            let counter = Counter()
            var place = place
            let encoder = place.encoder
            place.encoder = TokenEncoder(digest: encoder.digest) { text in
                counter.add(1)
                return encoder.encode(text)
            }
            try place.write("One is first.", to: "a.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            try place.age("a.txt", by: 5)
            let before = counter.value
            let report = try index.sync([place.documents.path])
            #expect(report.unchanged == 1 && report.changed == [])
            // Opening a chunker measures the end of a chunk; nothing else is tokenised.
            #expect(counter.value - before <= 1)
        }
    }

    @Test func `reads again a file that was read within a tick of its last change`() async throws {
        try await withWorkplace { place in
            try place.write("One.", to: "a.txt")
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: 60)], ofItemAtPath: place.path("a.txt"))
            let index = try place.index()
            try index.sync([place.documents.path])
            let progress = Counter()
            try index.sync([place.documents.path]) { _ in progress.add(1) }
            #expect(progress.value == 1)
        }
    }

    @Test func `says how far it is`() async throws {
        try await withWorkplace { place in
            for number in 0..<5 { try place.write("Number \(number).", to: "\(number).txt") }
            var seen: [SyncProgress] = []
            try place.index().sync([place.documents.path]) { seen.append($0) }
            #expect(seen.map(\.files) == [1, 2, 3, 4, 5] && seen.map(\.bytes) == [9, 18, 27, 36, 45])
            #expect(seen.allSatisfy { $0.totalFiles == 5 && $0.totalBytes == 45 })
            #expect(seen.last?.path == place.path("4.txt"))
        }
    }

    @Test func `goes on where a run was stopped`() async throws {
        try await withWorkplace { place in
            for number in 0..<600 { try place.write("Number \(number).", to: "\(number).txt") }
            let index = try place.index()
            let task = Task.detached {
                try index.sync([place.documents.path]) { progress in
                    if progress.files == 300 { withUnsafeCurrentTask { $0?.cancel() } }
                }
            }
            let error = await #expect(throws: TesseraError.self) { try await task.value }
            #expect(error?.code == .cancelled)
            let done = try index.documents().count
            #expect(done == 300)
            let report = try place.index().sync([place.documents.path])
            #expect(report.unchanged == 300 && report.added.count == 300)
        }
    }

    @Test func `leaves the documents of other folders alone`() async throws {
        try await withWorkplace { place in
            try place.write("Apple.", to: "one/a.txt")
            try place.write("Pear.", to: "two/b.txt")
            let index = try place.index()
            try index.sync([place.path("one")])
            let report = try index.sync([place.path("two")])
            #expect(report.added == [place.path("two/b.txt")] && report.removed == [])
            #expect(try index.documents().map(\.path) == [place.path("one/a.txt"), place.path("two/b.txt")])
            #expect(try index.documents(under: [place.path("one")]).map(\.path) == [place.path("one/a.txt")])
            let hits = try await index.retrieve("apple pear", limit: 5, neighbours: 0, under: [place.path("two")])
            #expect(hits.map(\.text) == ["Pear.\n\n"])
        }
    }

    @Test func `reads a file that is named, whatever its ending`() async throws {
        try await withWorkplace { place in
            try place.write("Changes.", to: "CHANGELOG")
            let index = try place.index()
            #expect(try index.sync([place.path("CHANGELOG")]).added == [place.path("CHANGELOG")])
        }
    }

    @Test func `fills an index anew under another tokenizer or other options`() async throws {
        try await withWorkplace { place in
            var place = place
            try place.write("One.\n\nTwo.", to: "a.txt")
            #expect(try place.index().sync([place.documents.path]).rebuilt == nil)
            place.options.paragraphs = .separate
            var index = try place.index()
            #expect(try index.documents().isEmpty)
            var report = try index.sync([place.documents.path])
            #expect(report.rebuilt == "the tokenizer or the chunking is another than before")
            #expect(report.added.count == 1)
            #expect(try await index.texts() == ["One.", "Two."])
            place.encoder = TokenEncoder(WordTokenizer(name: "other"))
            index = try place.index()
            report = try index.sync([place.documents.path])
            #expect(report.rebuilt != nil && report.added.count == 1)
            #expect(try place.index().sync([place.documents.path]).rebuilt == nil)
        }
    }

    @Test func `counts documents, chunks and tokens`() async throws {
        try await withWorkplace { place in
            var place = place
            place.options = ChunkingOptions(limit: 16, paragraphs: .separate)
            try place.write((0..<700).map { "Paragraph \($0)." }.joined(separator: "\n\n"), to: "a.txt")
            try place.write("Last.", to: "b.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            let documents = try index.documents()
            #expect(documents.map(\.chunks) == [700, 1] && documents.map(\.tokens) == [2_100, 2])
            var (count, tokens) = (0, 0)
            for try await chunk in try index.chunks() {
                #expect(chunk.source.ordinal == count % 700)
                #expect(chunk.tokens == place.encoder.encode(chunk.text))
                count += 1
                tokens += chunk.tokens.count
            }
            #expect(count == 701 && tokens == 2_102)
        }
    }
}
