// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct DamageTests {
    private let records = (0..<3).map { Sample.record($0, layerBytes: 40_000) }

    /// Fills a store, lets `damage` loose on its database, and expects that record 1 is a counted miss that can be put
    /// again, while its neighbours are as they were.
    private func expectMiss(_ damage: (RocksDatabase, StoreDirectory) throws -> Void) throws {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder)
            try first.put(records)
            first.close()
            try withDatabase(of: folder, damage)
            let store = try ChunkStore(in: folder)
            #expect(try store.layers(of: records[1]) == nil)
            #expect(try store.statistics().damaged == 1)
            #expect(try store.contains([records[1].key]) == [false])
            #expect(try store.statistics().records == 2)
            for intact in [records[0], records[2]] { #expect(try store.layers(of: intact) == intact.layers) }
            #expect(try store.put(records[1]) == .stored)
            #expect(try store.layers(of: records[1]) == records[1].layers)
            #expect(try store.statistics().damaged == 1)
        }
    }

    /// Rewrites the header of record 1.
    private func changeHeader(_ database: RocksDatabase, _ change: ([UInt8]) -> [UInt8]) throws {
        let key = StoreKey.header(records[1].key)
        let batch = WriteBatch()
        batch.put(key, change(try #require(try database.value(key))))
        try database.write(batch)
    }

    /// Changes bytes of record 1 in its segment. Its layers of 40,000 bytes follow each other.
    private func changeLayers(
        _ database: RocksDatabase, _ directory: StoreDirectory, _ change: (inout Data, _ start: Int) -> Void
    ) throws {
        let header = try #require(
            try database.withValue(StoreKey.header(records[1].key)) { (bytes) throws(TesseraError) in
                try RecordHeader(bytes, for: records[1].key)
            })
        let file = URL(fileURLWithPath: SegmentFiles(path: directory.layers).file(header.place.segment))
        var bytes = try Data(contentsOf: file)
        change(&bytes, Int(header.place.offset))
        try bytes.write(to: file)
    }

    @Test(arguments: [0, 3, 6, 8, 16, 24, 60, 75, 100, 180, 190, -9, -1])
    func `a changed byte in a header`(at place: Int) throws {
        try expectMiss { database, _ in
            try changeHeader(database) { bytes in
                var changed = bytes
                changed[place < 0 ? bytes.count + place : place] ^= 0x21
                return changed
            }
        }
    }

    @Test(arguments: [0, 1, 8, 100])
    func `a header cut short`(to length: Int) throws {
        try expectMiss { database, _ in try changeHeader(database) { Array($0.prefix(length)) } }
    }

    @Test func `another record's header under the key`() throws {
        try expectMiss { database, _ in
            let other = try #require(try database.value(StoreKey.header(records[0].key)))
            try changeHeader(database) { _ in other }
        }
    }

    @Test func `a header with a valid checksum that points to layers that aren't there`() throws {
        try expectMiss { database, _ in
            let header = RecordHeader(of: records[1], place: RecordPlace(segment: 500, offset: 0), created: 1)
            try changeHeader(database) { _ in header.encoded(for: records[1].key) }
        }
    }

    @Test func `a header with a valid checksum and one layer too many`() throws {
        try expectMiss { database, _ in
            var header = RecordHeader(
                of: records[1], place: RecordPlace(segment: 1, offset: UInt64(RecordPlace.aligned(120_000))), created: 1
            )
            header.layout = KVLayout(layers: 4, heads: 2, headDimension: 4)
            header.layers.append(header.layers[0])
            try changeHeader(database) { _ in header.encoded(for: records[1].key) }
        }
    }

    @Test func `a header with a valid checksum and layers beyond all memory`() throws {
        try expectMiss { database, _ in
            var header = RecordHeader(of: records[1], place: RecordPlace(segment: 1, offset: 4096), created: 1)
            header.layout = KVLayout(layers: 60_000, heads: 2, headDimension: 4)
            header.layers = Array(
                repeating: RecordHeader.Layer(byteCount: RecordHeader.largestLayer, checksum: 1), count: 60_000)
            try changeHeader(database) { _ in header.encoded(for: records[1].key) }
        }
    }

    @Test(arguments: 0..<3) func `a changed byte in a layer`(layer: Int) throws {
        try expectMiss { database, directory in
            try changeLayers(database, directory) { bytes, start in bytes[start + 40_000 * layer + 20_000] ^= 1 }
        }
    }

    @Test(arguments: [0, 1, 39_999]) func `the end of a layer lost`(from length: Int) throws {
        try expectMiss { database, directory in
            try changeLayers(database, directory) { bytes, start in
                bytes.replaceSubrange(
                    start + 40_000 + length..<start + 80_000, with: repeatElement(0, count: 40_000 - length))
            }
        }
    }

    @Test func `two layers exchanged`() throws {
        try expectMiss { database, directory in
            try changeLayers(database, directory) { bytes, start in
                let first = bytes[start..<start + 40_000]
                bytes.replaceSubrange(start..<start + 40_000, with: bytes[start + 40_000..<start + 80_000])
                bytes.replaceSubrange(start + 40_000..<start + 80_000, with: first)
            }
        }
    }

    @Test func `a record whose blocks were given back`() throws {
        try expectMiss { database, directory in
            try changeLayers(database, directory) { bytes, start in
                bytes.replaceSubrange(start..<start + 122_880, with: repeatElement(0, count: 122_880))
            }
        }
    }

    /// Writes `bytes` under each of some keys of a closed store.
    private func spoil(_ folder: URL, _ range: (start: [UInt8], end: [UInt8]), with bytes: [UInt8]) throws {
        try withDatabase(of: folder) { database, _ in
            let batch = WriteBatch()
            try database.scan(range) { (key, _) throws(TesseraError) in
                batch.put([UInt8](key), bytes)
                return true
            }
            batch.delete(StoreKey.seal)
            try database.write(batch)
        }
    }

    @Test(arguments: ["m", "s", "g"]) func `books that are damaged are an error that names the way out`(kind: String)
        throws
    {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder)
            try first.put(records)
            first.close()
            let start = Array(kind.utf8)
            if kind == "g" {
                try withDatabase(of: folder) { database, _ in
                    let batch = WriteBatch()
                    batch.put(StoreKey.hole(RecordPlace(segment: 1, offset: 0)), [1, 2, 3])
                    try database.write(batch)
                }
            } else {
                try spoil(folder, (start, [start[0] + 1]), with: [1, 2, 3])
            }
            let error = #expect(throws: TesseraError.self) { try ChunkStore(in: folder) }
            #expect(error?.code == .corrupt && error?.message.contains("tessera store repair") == true)
            _ = try ChunkStore.repair(
                directory: folder.appending(path: "store"), options: StoreOptions(freeDiskFloor: 0))
            let repaired = try ChunkStore(in: folder)
            for record in records { #expect(try repaired.layers(of: record) == record.layers) }
            #expect(try repaired.verify().problems == [])
        }
    }

    @Test func `a journal that is damaged makes the catalog anew`() throws {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder)
            try first.put(records)
            first.close()
            let catalog = folder.appending(path: "store/catalog.sqlite")
            let early = try Data(contentsOf: catalog)
            let second = try ChunkStore(in: folder)
            try second.put(Sample.record(50))
            second.abandon()
            try early.write(to: catalog)
            for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: catalog.path + suffix) }
            try spoil(folder, StoreKey.journal, with: [9])
            let store = try ChunkStore(in: folder)
            #expect(store.notes.contains { $0.contains("made the catalog again") })
            #expect(try store.statistics().records == 4)
        }
    }

    @Test func `a fingerprint that is damaged is listed without fields`() throws {
        try withTemporaryDirectory { folder in
            let fingerprint = Fingerprint(
                architecture: "llama", weights: Digest256(of: [1]), tokenizer: Digest256(of: [2]),
                rotary: RotaryTable(dimensions: 4, base: 10_000, pairing: .interleaved), layout: Sample.layout,
                precision: "fp32", recipe: [1])
            let first = try ChunkStore(in: folder)
            try first.remember(fingerprint)
            try first.put(Sample.record(1, fingerprint: fingerprint.digest))
            first.close()
            try spoil(folder, StoreKey.fingerprints, with: [0])
            var other = fingerprint
            other.precision = "bf16"
            let found = try ChunkStore(in: folder).mismatches(with: other)
            #expect(found == [FingerprintMismatch(digest: fingerprint.digest, records: 1, fields: [])])
        }
    }

    @Test func `one layer read alone reports damage and takes the record out`() throws {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder)
            try first.put(records)
            first.close()
            try withDatabase(of: folder) { database, directory in
                try changeLayers(database, directory) { bytes, start in bytes[start + 40_001] ^= 1 }
            }
            let store = try ChunkStore(in: folder)
            let chunk = try #require(try store.lookup(records[1]))
            #expect(code { try store.withLayer(1, of: chunk) { (_) throws(TesseraError) in } } == .corrupt)
            #expect(try store.lookup(records[1]) == nil)
        }
    }

    /// Bytes all over a segment are changed, one at a time: never a wrong byte, never a crash.
    @Test func `a byte changed on disk makes its own record a miss and no other`() throws {
        try withTemporaryDirectory { folder in
            let small = (0..<4).map { Sample.record($0, layerBytes: 600) }
            let first = try ChunkStore(in: folder)
            try first.put(small)
            first.close()
            let file = try segment(folder)
            let sound = try Data(contentsOf: file)
            #expect(sound.count == 4 * 4096)
            for offset in stride(from: 0, to: sound.count, by: 61) {
                var damaged = sound
                damaged[offset] ^= 0xFF
                try damaged.write(to: file)
                let store = try ChunkStore(in: folder)
                for (number, record) in small.enumerated() {
                    // Between the records there is nothing but padding.
                    let isHit = offset / 4096 == number && offset % 4096 < 1800
                    #expect(try store.layers(of: record) == (isHit ? nil : record.layers), "byte \(offset)")
                    if isHit { try store.put(record) }
                }
                store.close()
                try FileManager.default.removeItem(at: folder.appending(path: "store"))
                let fresh = try ChunkStore(in: folder)
                try fresh.put(small)
                fresh.close()
            }
        }
    }

    /// The last record lies beyond every cut, the first before the later ones.
    @Test(arguments: [0, 1000, 4096, 122_880, 122_881, 200_000])
    func `a file of layers cut short makes misses of what it lost, open or not`(to length: UInt64) throws {
        for isOpen in [false, true] {
            try withTemporaryDirectory { folder in
                var store = try ChunkStore(in: folder)
                try store.put(records)
                if !isOpen { store.close() }
                let handle = try FileHandle(forWritingTo: try segment(folder))
                try handle.truncate(atOffset: length)
                try handle.close()
                if !isOpen { store = try ChunkStore(in: folder) }
                #expect(store.notes.contains { $0.contains("cut short") } == !isOpen)
                for (number, record) in records.enumerated() {
                    let isWhole = 122_880 * number + 120_000 <= Int(length)
                    #expect(try store.layers(of: record) == (isWhole ? record.layers : nil))
                    if !isWhole { #expect(try store.put(record) == .stored) }
                    #expect(try store.layers(of: record) == record.layers)
                }
            }
        }
    }

    @Test func `a file of layers that is gone makes misses, and its records can be put again`() throws {
        try withTemporaryDirectory { folder in
            var store = try ChunkStore(in: folder)
            try store.put(records)
            store.close()
            try FileManager.default.removeItem(at: try segment(folder))
            store = try ChunkStore(in: folder)
            #expect(store.notes.contains { $0.contains("missing") })
            #expect(try store.layers(of: records[0]) == nil)
            #expect(try store.put(records).allSatisfy { $0 == .stored })
            #expect(try store.statistics().damaged == 3)
            for record in records { #expect(try store.layers(of: record) == record.layers) }
        }
    }

    private func segment(_ folder: URL) throws -> URL {
        let files = try FileManager.default.contentsOfDirectory(
            at: folder.appending(path: "store/layers"), includingPropertiesForKeys: nil)
        return try #require(files.first)
    }
}
