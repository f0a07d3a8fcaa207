// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct VariantDamageTests {
    private let chunk = Sample.record(1)
    private let one = Sample.variant(1, behind: [2], statistics: [UInt8](repeating: 5, count: 60))
    private let two = Sample.variant(1, behind: [3])

    /// Fills a store, lets `damage` loose on its database, and expects that variant `one` is as if it weren't there,
    /// counted once, and can be put again, while its neighbours are as they were.
    private func expectGone(
        damaged: Int = 1, catalogGone: Bool = false, _ damage: (RocksDatabase, WriteBatch) throws -> Void
    ) throws {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder)
            try first.put([chunk, one, two])
            first.close()
            try withDatabase(of: folder) { database, _ in
                let batch = WriteBatch()
                try damage(database, batch)
                try database.write(batch)
            }
            if catalogGone { try FileManager.default.removeItem(at: folder.appending(path: "store/catalog.sqlite")) }
            let store = try ChunkStore(in: folder)
            #expect(try store.variants(chunk).map(\.key) == [two.key])
            #expect(try store.variants(chunk).map(\.key) == [two.key])
            #expect(try store.statistics().damaged == damaged)
            #expect(try store.contains([one.key, two.key, chunk.key]) == [false, true, true])
            #expect(try store.lookup(one) == nil)
            #expect(try store.layers(of: two) == two.layers)
            #expect(try store.put(one) == .stored)
            #expect(Set(try store.variants(chunk).map(\.key)) == [one.key, two.key])
            #expect(try store.statistics().variants == 2)
            #expect(try store.variantRecords() == 2)
            store.close()
            let again = try ChunkStore(in: folder)
            #expect(again.notes == [])
            #expect(try again.layers(of: one) == one.layers)
        }
    }

    private var record: [UInt8] { StoreKey.variant(one.key, of: one.chunk) }

    private func change(_ key: [UInt8], at place: Int, _ database: RocksDatabase, _ batch: WriteBatch) throws {
        var bytes = try #require(try database.value(key))
        bytes[place < 0 ? bytes.count + place : place] ^= 0x21
        batch.put(key, bytes)
    }

    @Test(arguments: [0, 3, 4, 35, 36, 40, 90, -9, -1], [false, true])
    func `a changed byte in a variant's small record`(at place: Int, catalogGone: Bool) throws {
        try expectGone(catalogGone: catalogGone) { database, batch in try change(record, at: place, database, batch) }
    }

    @Test(arguments: [0, 1, 8, 50]) func `a variant's small record cut short`(to length: Int) throws {
        try expectGone { database, batch in
            batch.put(record, Array(try #require(try database.value(record)).prefix(length)))
        }
    }

    @Test func `another variant's small record under the key`() throws {
        try expectGone { database, batch in
            let other = StoreKey.variant(two.key, of: two.chunk)
            batch.put(record, try #require(try database.value(other)))
        }
    }

    @Test(arguments: [0, 3, 6, 7, 60, -1], [false, true])
    func `a changed byte in a variant's header`(at place: Int, catalogGone: Bool) throws {
        try expectGone(catalogGone: catalogGone) { database, batch in
            try change(StoreKey.header(one.key), at: place, database, batch)
        }
    }

    @Test(arguments: [false, true]) func `a small record without a header`(catalogGone: Bool) throws {
        try expectGone(catalogGone: catalogGone) { _, batch in batch.delete(StoreKey.header(one.key)) }
    }

    @Test func `a contextual header without its small record is not there`() throws {
        for catalogGone in [false, true] {
            try withTemporaryDirectory { folder in
                let first = try ChunkStore(in: folder)
                try first.put([chunk, one, two])
                first.close()
                try withDatabase(of: folder) { database, _ in
                    let batch = WriteBatch()
                    batch.delete(record)
                    try database.write(batch)
                }
                let catalog = folder.appending(path: "store/catalog.sqlite")
                if catalogGone { try FileManager.default.removeItem(at: catalog) }
                let store = try ChunkStore(in: folder)
                #expect(try store.contains([one.key, two.key]) == [false, true])
                #expect(try store.variants(chunk).map(\.key) == [two.key])
                if catalogGone { #expect(try store.statistics().variants == 1) }
                let known = StoredVariant(key: one.key, chunk: one.chunk, behind: one.behind, statistics: [])
                #expect(try store.chunk(of: known, fingerprint: one.fingerprint, tokens: one.tokens) == nil)
                #expect(try store.statistics().damaged == 1)
                #expect(try store.put(one) == .stored)
                #expect(try store.variants(chunk).count == 2)
                #expect(try store.statistics().variants == 2)
            }
        }
    }

    @Test func `a variant whose layers are damaged goes with its small record`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            try store.put([chunk, one])
            let header = try #require(try store.session().header(one.key))
            // Layers that aren't the header's: it says one byte too many.
            var lying = header
            lying.layers[1].byteCount += 1
            let batch = WriteBatch()
            batch.put(StoreKey.header(one.key), lying.encoded(for: one.key))
            try store.session().database.write(batch)
            let variant = try #require(try store.variants(chunk).first)
            let found = try #require(
                try store.chunk(of: variant, fingerprint: one.fingerprint, tokens: one.tokens))
            #expect(try store.load(found) == nil)
            #expect(try store.variants(chunk).isEmpty)
            #expect(try store.variantRecords() == 0)
            #expect(try store.statistics().damaged == 1)
            #expect(try store.layers(of: chunk) == chunk.layers)
        }
    }

    /// Only somebody who writes the database with intent can make such a record.
    @Test func `a small record that names another namespace's variant shows nothing and takes nothing away`() throws {
        for removes in [false, true] {
            try withTemporaryDirectory { folder in
                let store = try ChunkStore(in: folder)
                let theirs = Sample.variant(1, behind: [2], namespace: "b")
                try store.put([chunk, theirs])
                let batch = WriteBatch()
                let forged = VariantRecord(behind: theirs.behind, statistics: [])
                batch.put(
                    StoreKey.variant(theirs.key, of: chunk.key), forged.encoded(for: theirs.key, of: chunk.key))
                try store.session().database.write(batch)
                if removes {
                    #expect(try store.removeVariants(of: [chunk.key]) == 0)
                } else {
                    #expect(try store.variants(chunk).isEmpty)
                    #expect(try store.statistics().damaged == 1)
                }
                #expect(try store.variantRecords() == 1)
                #expect(try store.variants(theirs).map(\.key) == [theirs.key])
                #expect(try store.layers(of: theirs) == theirs.layers)
            }
        }
    }

    @Test func `a variant of a newer format is left alone`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            try store.put([chunk, one])
            let key = StoreKey.header(one.key)
            var newer = try #require(try store.session().database.value(key))
            newer[4] = 5
            let seed = one.key.digest.bytes.withUnsafeBytes { checksum($0) }
            let batch = WriteBatch()
            batch.put(key, ByteWriter(Array(newer.dropLast(8))).sealed(seed: seed))
            try store.session().database.write(batch)
            #expect(try store.variants(chunk).isEmpty)
            #expect(try store.lookup(one) == nil)
            #expect(try store.statistics().damaged == 0)
            #expect(try store.session().database.value(key) != nil && store.variantRecords() == 1)
        }
    }
}
