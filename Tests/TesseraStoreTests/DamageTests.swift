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

    /// Puts other bytes in the place of a layer of record 1.
    private func changeLayer(
        _ layer: Int, _ database: RocksDatabase, _ directory: StoreDirectory, _ change: ([UInt8]) -> [UInt8]
    ) throws {
        let path = directory.staging + "/damage.sst"
        let file = try LayerFileWriter(path: path, options: database.options)
        // The second of the three records has number 2.
        try change(records[1].layers[layer]).withBytes { (bytes) throws(TesseraError) in
            try file.put(StoreKey.layer(2, layer), bytes)
        }
        _ = try file.finish()
        try database.ingest([path])
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
            var header = RecordHeader(of: records[1], record: 500, created: 1)
            header.record = 500
            try changeHeader(database) { _ in header.encoded(for: records[1].key) }
        }
    }

    @Test func `a header with a valid checksum and one layer too many`() throws {
        try expectMiss { database, _ in
            var header = RecordHeader(of: records[1], record: 2, created: 1)
            header.layout = KVLayout(layers: 4, heads: 2, headDimension: 4)
            header.layers.append(header.layers[0])
            try changeHeader(database) { _ in header.encoded(for: records[1].key) }
        }
    }

    @Test(arguments: 0..<3) func `a changed byte in a layer`(layer: Int) throws {
        try expectMiss { database, directory in
            try changeLayer(layer, database, directory) { bytes in
                var changed = bytes
                changed[20_000] ^= 1
                return changed
            }
        }
    }

    @Test(arguments: [0, 1, 39_999]) func `a layer cut short`(to length: Int) throws {
        try expectMiss { database, directory in
            try changeLayer(1, database, directory) { Array($0.prefix(length)) }
        }
    }

    @Test func `a layer with a byte too many`() throws {
        try expectMiss { database, directory in try changeLayer(2, database, directory) { $0 + [0] } }
    }

    @Test func `two layers exchanged`() throws {
        try expectMiss { database, directory in
            try changeLayer(0, database, directory) { _ in records[1].layers[1] }
        }
    }

    @Test func `one layer read alone reports damage and takes the record out`() throws {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder)
            try first.put(records)
            first.close()
            try withDatabase(of: folder) { database, directory in
                try changeLayer(1, database, directory) { _ in [1] }
            }
            let store = try ChunkStore(in: folder)
            let chunk = try #require(try store.lookup(records[1]))
            #expect(code { try store.withLayer(1, of: chunk) { (_) throws(TesseraError) in } } == .corrupt)
            #expect(try store.lookup(records[1]) == nil)
        }
    }

    /// Every byte of a file of layers is changed once, a few at a time: never a wrong byte, never a crash.
    @Test func `bytes changed in a file of layers on disk give misses, never other bytes`() throws {
        try withTemporaryDirectory { folder in
            let small = (0..<4).map { Sample.record($0, layerBytes: 600) }
            let first = try ChunkStore(in: folder)
            try first.put(small)
            first.close()
            let file = try layerFile(folder)
            let sound = try Data(contentsOf: file)
            var misses = 0
            for offset in stride(from: 0, to: sound.count, by: 61) {
                var damaged = sound
                damaged[offset] ^= 0xFF
                try damaged.write(to: file)
                let store: ChunkStore
                do { store = try ChunkStore(in: folder) } catch {
                    #expect((error as? TesseraError)?.code == .corrupt)
                    misses += 1
                    continue
                }
                for record in small {
                    let layers = try store.layers(of: record)
                    #expect(layers == nil || layers == record.layers)
                    if layers == nil { misses += 1 }
                }
                store.close()
                try restore(folder, first: small, sound: sound)
            }
            #expect(misses > sound.count / 61 / 2)
        }
    }

    /// RocksDB trusts the lengths at the head of a block that isn't checked, and ends the process over some.
    @Test(arguments: [0x00, 0xA5, 0xFF] as [UInt8])
    func `a block's own lengths changed on disk give misses`(to value: UInt8) throws {
        for offset in 0..<6 {
            try withTemporaryDirectory { folder in
                let first = try ChunkStore(in: folder)
                try first.put(records)
                first.close()
                let file = try layerFile(folder)
                var bytes = try Data(contentsOf: file)
                guard bytes[offset] != value else { return }
                bytes[offset] = value
                try bytes.write(to: file)
                let store = try ChunkStore(in: folder)
                #expect(try store.layers(of: records[0]) == nil, "byte \(offset)")
            }
        }
    }

    @Test func `a file of layers cut short on disk is a clear error when the store is opened`() throws {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder)
            try first.put(records)
            first.close()
            let handle = try FileHandle(forWritingTo: try layerFile(folder))
            try handle.truncate(atOffset: 1000)
            try handle.close()
            let error = #expect(throws: TesseraError.self) { try ChunkStore(in: folder) }
            #expect(
                error?.code == .corrupt && error?.message.contains(folder.path) == true, "\(String(describing: error))")
        }
    }

    private func layerFile(_ folder: URL) throws -> URL {
        let database = folder.appending(path: "store/rocksdb")
        let files = try FileManager.default.contentsOfDirectory(
            at: database, includingPropertiesForKeys: [.fileSizeKey])
        let tables = try files.filter { $0.pathExtension == "sst" }.map { file in
            (file, try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0)
        }
        return try #require(tables.max { $0.1 < $1.1 }?.0)
    }

    /// Makes the folder the store again that it was: an undamaged file, all records in it.
    private func restore(_ folder: URL, first records: [ChunkRecord], sound: Data) throws {
        try FileManager.default.removeItem(at: folder.appending(path: "store"))
        let store = try ChunkStore(in: folder)
        try store.put(records)
        store.close()
    }
}
