// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import Synchronization
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct CatalogTests {
    private let records = (0..<20).map { Sample.record($0, kind: $0 < 5 ? .prefix : .chunk) }

    /// Fills and closes a store, lets `harm` loose on its catalog, and expects that it is whole again after opening.
    private func expectRebuilt(noted: Bool = true, _ harm: (URL) throws -> Void) throws {
        try withTemporaryDirectory { folder in
            try fill(folder)
            try harm(folder.appending(path: "store/catalog.sqlite"))
            let store = try ChunkStore(in: folder)
            #expect(store.notes.contains { $0.contains("made the catalog again") } == noted)
            try expectWhole(store)
        }
    }

    private func replace(_ file: URL, with other: URL) throws {
        try FileManager.default.removeItem(at: file)
        try FileManager.default.copyItem(at: other, to: file)
    }

    private func fill(_ folder: URL) throws {
        let store = try ChunkStore(in: folder)
        try store.put(records)
        store.close()
    }

    private func expectWhole(_ store: ChunkStore) throws {
        #expect(try store.statistics().tallies.map(\.records) == [15, 5])
        let found = try store.longestPrefix(
            fingerprint: Sample.fingerprint, namespace: "", tokens: records[3].tokens + [1, 2])
        #expect(found?.key == records[3].key)
    }

    @Test func `a sound catalog is taken as it is`() throws {
        try expectRebuilt(noted: false) { _ in }
    }

    @Test func `a deleted catalog is made again`() throws {
        try expectRebuilt { try FileManager.default.removeItem(at: $0) }
    }

    @Test func `a catalog that is no database is made again`() throws {
        try expectRebuilt { try Data("not a database, whatever its name says".utf8).write(to: $0) }
        try expectRebuilt { try Data().write(to: $0) }
    }

    @Test func `a catalog with one changed bit is made again`() throws {
        try expectRebuilt { file in
            var bytes = try Data(contentsOf: file)
            bytes[bytes.count - 300] ^= 4
            try bytes.write(to: file)
        }
    }

    @Test func `a catalog with records changed in it is made again`() throws {
        try expectRebuilt { file in
            let queue = try DatabaseQueue(path: file.path)
            try queue.write { try $0.execute(sql: "DELETE FROM chunk WHERE kind = 1") }
            try queue.close()
        }
    }

    @Test func `the catalog of another store is not believed`() throws {
        try withTemporaryDirectory { other in
            let store = try ChunkStore(in: other)
            try store.put((100..<120).map { Sample.record($0) })
            store.close()
            try expectRebuilt { file in
                try replace(file, with: other.appending(path: "store/catalog.sqlite"))
            }
        }
    }

    @Test func `the catalog of another store is not believed after a crash either`() throws {
        try withTemporaryDirectory { folder in
            try withTemporaryDirectory { other in
                try fill(folder)
                try fill(other)
                try withDatabase(of: folder) { database, directory in
                    let batch = WriteBatch()
                    batch.delete(StoreKey.seal)
                    try database.write(batch)
                    try FileManager.default.removeItem(atPath: directory.catalog)
                    try FileManager.default.copyItem(
                        atPath: other.appending(path: "store/catalog.sqlite").path, toPath: directory.catalog)
                }
                let store = try ChunkStore(in: folder)
                #expect(store.notes.contains { $0.contains("made the catalog again") })
                try expectWhole(store)
            }
        }
    }

    @Test func `an older copy of the catalog is brought up to date`() throws {
        try withTemporaryDirectory { folder in
            try fill(folder)
            let file = folder.appending(path: "store/catalog.sqlite")
            let copy = folder.appending(path: "copy")
            try FileManager.default.copyItem(at: file, to: copy)
            let store = try ChunkStore(in: folder)
            try store.put(Sample.record(50))
            try store.remove([records[0].key])
            store.close()
            try replace(file, with: copy)
            let again = try ChunkStore(in: folder)
            #expect(try again.statistics().tallies.map(\.records) == [16, 4])
        }
    }

    @Test func `commits that the catalog missed are replayed from the journal`() throws {
        try withTemporaryDirectory { folder in
            try fill(folder)
            // What a crash between the commit and the catalog's own write leaves behind.
            try withDatabase(of: folder) { database, _ in
                var state = try #require(
                    try database.withValue(StoreKey.state) { (bytes) throws(TesseraError) in try StoreState(bytes) })
                let batch = WriteBatch()
                batch.delete(StoreKey.header(records[7].key))
                batch.delete(StoreKey.seal)
                (state.sequence, state.nonce) = (state.sequence + 1, 99)
                batch.put(StoreKey.state, state.encoded)
                let entry = JournalEntry(nonce: 99, keys: [records[7].key])
                batch.put(StoreKey.journal(state.sequence), entry.encoded)
                try database.write(batch)
            }
            let store = try ChunkStore(in: folder)
            #expect(store.notes == [])
            #expect(try store.statistics().tallies.map(\.records) == [14, 5])
        }
    }

    @Test func `a long run of commits cuts the journal and stays in step`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            store.longestJournal.store(8, ordering: .relaxed)
            for record in records { try store.put(record) }
            store.close()
            let again = try ChunkStore(in: folder)
            #expect(again.notes == [])
            try expectWhole(again)
        }
    }

    @Test func `what lies in the store under other fingerprints is named with the fields that differ`() throws {
        try withTemporaryDirectory { folder in
            let mine = fingerprint(precision: "bf16", recipe: [1])
            let theirs = fingerprint(precision: "fp32", recipe: [1, 2])
            let unknown = Digest256(of: [77])
            let store = try ChunkStore(in: folder)
            try store.remember(mine)
            try store.remember(theirs)
            try store.remember(theirs)
            try store.put([
                Sample.record(1, fingerprint: mine.digest), Sample.record(2, fingerprint: theirs.digest),
                Sample.record(3, fingerprint: theirs.digest), Sample.record(4, fingerprint: unknown),
            ])
            let expected = [
                FingerprintMismatch(digest: theirs.digest, records: 2, fields: ["precision", "recipe"]),
                FingerprintMismatch(digest: unknown, records: 1, fields: []),
            ]
            #expect(try store.mismatches(with: mine) == expected)
            store.close()
            try FileManager.default.removeItem(at: folder.appending(path: "store/catalog.sqlite"))
            #expect(try ChunkStore(in: folder).mismatches(with: mine) == expected)
        }
    }

    private func fingerprint(precision: String, recipe: [TokenID]) -> Fingerprint {
        Fingerprint(
            architecture: "llama", weights: Digest256(of: [1]), tokenizer: Digest256(of: [2]),
            rotary: RotaryTable(dimensions: 4, base: 10_000, pairing: .interleaved), layout: Sample.layout,
            precision: precision, recipe: recipe)
    }
}
