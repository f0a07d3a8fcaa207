// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import Synchronization
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRetrieval

/// The same numbers for the same seed (Steele et al., *SplitMix*, 2014).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Counts across threads.
final class Counter: Sendable {
    private let count = Mutex(0)

    func add(_ number: Int) { count.withLock { $0 += number } }
    var value: Int { count.withLock { $0 } }
}

/// A folder of documents and an index beside it.
struct Workplace {
    let folder: URL
    let documents: URL
    var encoder = TokenEncoder(WordTokenizer())
    var options = ChunkingOptions(limit: 60)

    init(in folder: URL) throws {
        // Reports name files by paths without links.
        self.folder = URL(fileURLWithPath: try #require(FileTree.absolute(folder.path)))
        documents = self.folder.appending(path: "documents")
        try FileManager.default.createDirectory(at: documents, withIntermediateDirectories: true)
    }

    var indexPath: String { folder.appending(path: "index.sqlite").path }

    func path(_ name: String) -> String { documents.appending(path: name).path }

    func write(_ text: String, to name: String) throws {
        try write(Array(text.utf8), to: name)
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        let file = documents.appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
        // An age at which the file system's clock has gone on.
        try age(name, by: 10)
    }

    func age(_ name: String, by seconds: Double) throws {
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -seconds)], ofItemAtPath: path(name))
    }

    func remove(_ name: String) throws {
        try FileManager.default.removeItem(atPath: path(name))
    }

    func index() throws -> DocumentIndex {
        try DocumentIndex(path: indexPath, encoder: encoder, options: options)
    }
}

func withWorkplace(_ body: (Workplace) async throws -> Void) async throws {
    try await withTemporaryDirectory { try await body(Workplace(in: $0)) }
}

extension DocumentIndex {
    /// The texts of all chunks in reading order, without the blank line at their ends.
    func texts() async throws -> [String] {
        var texts: [String] = []
        for try await chunk in try chunks() { texts.append(String(chunk.text.dropLast(2))) }
        return texts
    }

    /// The files' names of the hits.
    func names(_ question: String, limit: Int = 5) async throws -> [String] {
        try await retrieve(question, limit: limit).map { URL(fileURLWithPath: $0.source.document).lastPathComponent }
    }
}

extension Workplace {
    /// Puts a database of tables that are not ours where the index should be.
    func makeForeignDatabase() throws {
        let queue = try DatabaseQueue(path: indexPath)
        try queue.write { try $0.execute(sql: "CREATE TABLE recipes (name TEXT)") }
        try queue.close()
    }
}
