// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRetrieval

@Suite struct `Bad input` {
    @Test func `is named with its reason, and the run goes on`() async throws {
        try await withWorkplace { place in
            try place.write("Good.", to: "good.txt")
            try place.write([0x61, 0xFF, 0x62], to: "broken.txt")
            try place.write([0x7F, 0x45, 0x4C, 0x46, 0x00], to: "binary.txt")
            try place.write("", to: "empty.md")
            try place.write(" \n\t\n", to: "blank.html")
            try place.write("Deep.", to: "folder.txt/deep.txt")
            try FileManager.default.createSymbolicLink(
                atPath: place.path("dangling.txt"), withDestinationPath: "/nowhere/at/all")
            try FileManager.default.createSymbolicLink(atPath: place.path("loop.txt"), withDestinationPath: "loop.txt")
            try #require(mkfifo(place.path("pipe.txt"), 0o600) == 0)
            let index = try place.index()
            for _ in 0..<2 {
                let report = try index.sync([place.documents.path])
                #expect(
                    report.skipped.map { "\($0.path.split(separator: "/").last ?? ""): \($0.reason)" } == [
                        "binary.txt: it is no text: a zero byte at offset 4", "blank.html: it is empty",
                        "broken.txt: it is no UTF-8 at byte 1; save it as UTF-8",
                        "dangling.txt: No such file or directory", "empty.md: it is empty",
                        "loop.txt: Too many levels of symbolic links", "pipe.txt: it is no regular file",
                    ])
                #expect(try await index.texts() == ["Deep.", "Good."])
            }
        }
    }

    @Test func `that takes the place of a document removes it`() async throws {
        try await withWorkplace { place in
            try place.write("Good.", to: "good.txt")
            try place.write("Better.", to: "better.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            try place.write([0xFF], to: "better.txt")
            var report = try index.sync([place.documents.path])
            #expect(report.removed == [place.path("better.txt")] && report.skipped.count == 1)
            #expect(try await index.texts() == ["Good."])
            try place.write("Better again.", to: "better.txt")
            report = try index.sync([place.documents.path])
            #expect(report.added == [place.path("better.txt")] && report.skipped.isEmpty)
        }
    }

    @Test func `in the form of links leads nowhere twice`() async throws {
        try await withWorkplace { place in
            try place.write("Good.", to: "a/good.txt")
            try place.write("Outside.", to: "../outside/o.txt")
            let files = FileManager.default
            try files.createSymbolicLink(atPath: place.path("a/up"), withDestinationPath: "..")
            try files.createSymbolicLink(atPath: place.path("b"), withDestinationPath: "a")
            try files.createSymbolicLink(atPath: place.path("c"), withDestinationPath: "../outside")
            let index = try place.index()
            try index.sync([place.documents.path])
            #expect(try await index.texts().sorted() == ["Good.", "Outside."])
        }
    }

    @Test func `in the form of a name is a name`() async throws {
        try await withWorkplace { place in
            let names = ["a b.txt", "ü 日本.txt", "new\nline.txt", "quote\"'%_*.txt", "-rf.txt", "back\\slash.txt"]
            for name in names { try place.write("Text of \(name).", to: name) }
            let odd = place.documents.path + "/"
            let descriptor = open(
                Array(odd.utf8.map { CChar(bitPattern: $0) }) + [-1, 0x2E, 0x74, 0x78, 0x74, 0], O_CREAT, 0o600)
            try #require(descriptor >= 0)
            close(descriptor)
            let index = try place.index()
            let report = try index.sync([place.documents.path])
            #expect(Set(report.added) == Set(names.map(place.path)))
            #expect(report.skipped.map(\.reason) == ["its name is no UTF-8"])
            #expect(try index.sync([place.documents.path]).unchanged == names.count)
            for name in names {
                let hits = try await index.retrieve("text", limit: 9, neighbours: 0, under: [place.path(name)])
                #expect(hits.count == 1)
            }
        }
    }

    @Test func `in the form of an empty folder is told which endings are read`() async throws {
        try await withWorkplace { place in
            try place.write("none", to: "a.pdf")
            let index = try place.index()
            let error = #expect(throws: TesseraError.self) { try index.sync([place.documents.path]) }
            #expect(error?.code == .notFound)
            #expect(error?.message.contains(".txt, .text, .md, .markdown, .html, .htm, .xhtml") == true)
        }
    }

    @Test func `in the form of a folder that was emptied empties the index`() async throws {
        try await withWorkplace { place in
            try place.write("One.", to: "a.txt")
            let index = try place.index()
            try index.sync([place.documents.path])
            try place.remove("a.txt")
            #expect(throws: TesseraError.self) { try index.sync([place.documents.path]) }
            #expect(try index.documents().isEmpty)
        }
    }

    @Test func `in the form of a path that is not there is named`() async throws {
        try await withWorkplace { place in
            let index = try place.index()
            let error = #expect(throws: TesseraError.self) { try index.sync([place.path("nowhere")]) }
            #expect(error?.code == .notFound)
            #expect(error?.message.hasPrefix("\(place.path("nowhere")): No such file or directory") == true)
        }
    }

    @Test func `may be left out, such as a store among the documents`() async throws {
        try await withWorkplace { place in
            try place.write("Good.", to: "a.txt")
            try place.write("Store.", to: "store/b.txt")
            let index = try place.index()
            let report = try index.sync([place.documents.path], excluding: [place.path("store"), "/nowhere"])
            #expect(report.added == [place.path("a.txt")])
        }
    }

    /// Root may read and write everything, so that the rights of others are tried in a process that gives root up.
    @Test func `without the rights to it is named, and what was known is kept`() async throws {
        await #expect(processExitsWith: .success) {
            try await withWorkplace { place in
                let files = FileManager.default
                try place.write("Good.", to: "a.txt")
                try place.write("Secret.", to: "b.txt")
                try place.write("Inner.", to: "c/d.txt")
                let index = try place.index()
                try index.sync([place.documents.path])
                try files.setAttributes([.posixPermissions: 0o777], ofItemAtPath: place.folder.path)
                for file in [place.indexPath, place.indexPath + "-wal", place.indexPath + "-shm"] {
                    try files.setAttributes([.posixPermissions: 0o666], ofItemAtPath: file)
                }
                try place.age("b.txt", by: 3)
                try files.setAttributes([.posixPermissions: 0], ofItemAtPath: place.path("b.txt"))
                try files.setAttributes([.posixPermissions: 0], ofItemAtPath: place.path("c"))
                if getuid() == 0 { try #require(setuid(65_534) == 0) }

                let report = try index.sync([place.documents.path])
                #expect(report.skipped.map(\.path) == [place.path("b.txt"), place.path("c")])
                #expect(report.skipped.map(\.reason) == ["Permission denied", "Permission denied"])
                #expect(report.removed == [])
                #expect(try await index.texts() == ["Good.", "Secret.", "Inner."])
            }
        }
    }
}

@Suite struct `The index file` {
    @Test func `is set aside and made anew when it is damaged`() async throws {
        try await withWorkplace { place in
            try place.write("One.", to: "a.txt")
            do { try place.index().sync([place.documents.path]) }
            let garbage = Data((0..<8192).map { UInt8(truncatingIfNeeded: $0 &* 131) })
            try garbage.write(to: URL(fileURLWithPath: place.indexPath))
            let index = try place.index()
            let report = try index.sync([place.documents.path])
            #expect(report.rebuilt == "the index was damaged" && report.added == [place.path("a.txt")])
            #expect(try await index.texts() == ["One."])
            #expect(try Data(contentsOf: URL(fileURLWithPath: place.indexPath + ".damaged")) == garbage)
        }
    }

    @Test func `proves damaged in a question, is emptied, and filled by the next sync`() async throws {
        try await withWorkplace { place in
            for number in 0..<200 {
                try place.write("Number \(number) of the mill is \(number * number) pounds.", to: "\(number).txt")
            }
            do { try place.index().sync([place.documents.path]) }
            // All pages but the first few, which hold the schema, are overwritten.
            let size = try Data(contentsOf: URL(fileURLWithPath: place.indexPath)).count
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: place.indexPath))
            try file.seek(toOffset: 4096 * 4)
            try file.write(contentsOf: Data(repeating: 0x5A, count: size - 4096 * 4))
            try file.close()
            let index = try place.index()
            let error = await #expect(throws: TesseraError.self) { try await index.retrieve("mill", limit: 3) }
            #expect(error?.code == .corrupt)
            let report = try index.sync([place.documents.path])
            #expect(report.rebuilt == "the index was damaged" && report.added.count == 200)
            #expect(try await index.retrieve("mill", limit: 3).count == 3)
        }
    }

    @Test func `of another program is left as it is`() async throws {
        try await withWorkplace { place in
            try place.makeForeignDatabase()
            let before = try Data(contentsOf: URL(fileURLWithPath: place.indexPath))
            let error = #expect(throws: TesseraError.self) { try place.index() }
            #expect(error?.code == .invalidInput)
            #expect(try Data(contentsOf: URL(fileURLWithPath: place.indexPath)) == before)
        }
    }

    @Test(arguments: ["/nowhere/at/all/index.sqlite", "/", "/proc/index.sqlite"])
    func `that can't be made is named`(path: String) {
        let error = #expect(throws: TesseraError.self) {
            try DocumentIndex(path: path, encoder: TokenEncoder(WordTokenizer()))
        }
        #expect(error?.code == .io)
        #expect(error?.message.contains(path) == true)
    }

    @Test func `that can't be written is named`() async throws {
        await #expect(processExitsWith: .success) {
            try await withWorkplace { place in
                try place.write("One.", to: "a.txt")
                do { try place.index().sync([place.documents.path]) }
                try FileManager.default.setAttributes([.posixPermissions: 0o444], ofItemAtPath: place.indexPath)
                try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: place.folder.path)
                if getuid() == 0 { try #require(setuid(65_534) == 0) }
                let error = #expect(throws: TesseraError.self) {
                    try place.index().sync([place.documents.path])
                }
                #expect(error?.code == .io)
                #expect(error?.message.contains("can't be written") == true)
            }
        }
    }
}
