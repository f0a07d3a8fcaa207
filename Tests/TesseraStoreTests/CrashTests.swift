// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

/// Processes killed in the middle of their work: what was acknowledged is there bit for bit, what is there is whole,
/// what was removed is gone.
@Suite(.serialized) struct CrashTests {
    @Test(arguments: 0..<12) func `a killed writer`(round: Int) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // The same folder is written to by a second process after the first was killed.
        for life in 0..<2 {
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [path = folder.path as String, life = life as Int, round = round as Int] in
                let folder = URL(fileURLWithPath: path)
                let journal = open(path + "/acknowledged", O_WRONLY | O_CREAT | O_APPEND, 0o600)
                let store = try ChunkStore(in: folder)
                Thread.detachNewThread {
                    usleep(UInt32(3_000 + 17_000 * round))
                    kill(getpid(), SIGKILL)
                }
                for batch in 0..<100_000 {
                    let first = life * 1_000_000 + batch * 4
                    let records = (first..<first + 4).map { CrashTests.record($0) }
                    try store.put(records)
                    CrashTests.note("+\(first)\n", journal)
                    try store.setAsset("last", Array("\(first)".utf8))
                    CrashTests.note("=\(first)\n", journal)
                    if batch % 3 == 2 {
                        try store.remove([records[1].key])
                        CrashTests.note("-\(first + 1)\n", journal)
                    }
                    if batch % 4 == 3 {
                        try store.removeVariants(of: [records[3].chunk])
                        CrashTests.note("-\(first + 3)\n", journal)
                    }
                }
            }
            try verify(folder)
        }
    }

    /// Of very different sizes, so that segments are deleted and holes made in them; every fourth is a variant.
    private static func record(_ number: Int) -> ChunkRecord {
        if number % 4 == 3 {
            return Sample.variant(
                number, behind: [number - 1, number - 2], statistics: [UInt8](repeating: 3, count: number % 3000))
        }
        return Sample.record(number, layerBytes: number % 4 == 1 ? 700_000 : 1_000 + number % 97)
    }

    private static func note(_ line: String, _ journal: Int32) {
        let bytes = Array(line.utf8)
        _ = write(journal, bytes, bytes.count)
    }

    private func verify(_ folder: URL) throws {
        let text = (try? String(contentsOf: folder.appending(path: "acknowledged"), encoding: .utf8)) ?? ""
        var expected: Set<Int> = []
        var removed: Set<Int> = []
        var asset: Int?
        for line in text.split(separator: "\n") {
            let number = try #require(Int(line.dropFirst()))
            switch line.first {
            case "+": expected.formUnion(number..<number + 4)
            case "=": asset = number
            default: removed.insert(number)
            }
        }
        let store = try ChunkStore(in: folder)
        for number in expected.subtracting(removed) {
            let record = Self.record(number)
            // A removal under way when the process was killed may have happened.
            if !number.isMultiple(of: 2), try store.lookup(record) == nil { continue }
            #expect(try store.layers(of: record) == record.layers, "record \(number) was acknowledged")
        }
        #expect(try store.contains(removed.map { Self.record($0).key }).allSatisfy { !$0 })
        if let asset {
            let bytes = try #require(try store.asset("last"))
            #expect(try #require(Int(String(decoding: bytes, as: UTF8.self))) >= asset)
        }
        var variants = 0
        for key in try store.allKeys() {
            let session = try store.session()
            let header = try #require(try session.header(key))
            let chunk = StoredChunk(key: key, header: header)
            #expect(try store.load(chunk) != nil, "what is there is whole")
            guard let owner = header.variantOwner else { continue }
            variants += 1
            let found = try store.variants(of: owner, fingerprint: header.fingerprint, tokens: header.tokens)
            #expect(found.map(\.key) == [key], "a variant is there with its small record")
        }
        #expect(try store.variantRecords() == variants, "and the small record with its variant")
        #expect(try store.statistics().variants == variants)
        #expect(try store.statistics().records == store.allKeys().count)
        #expect(try store.statistics().damaged == 0)
        store.close()
    }
}

extension ChunkStore {
    /// The keys of all headers, read from the database.
    func allKeys() throws -> [ChunkKey] {
        var keys: [ChunkKey] = []
        try session().database.scan(from: StoreKey.headers.start, upTo: StoreKey.headers.end) { key, _ in
            if let chunk = StoreKey.chunk(ofHeader: key) { keys.append(chunk) }
            return true
        }
        return keys
    }
}
