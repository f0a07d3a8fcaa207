// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct HotTierTests {
    private func loaded(_ store: ChunkStore, _ record: ChunkRecord) throws -> LoadedChunk {
        let found = try #require(try store.lookup(record))
        return try #require(try store.load(found))
    }

    @Test func `what was loaded once comes from memory, even when its file is gone`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = Sample.record(1, layerBytes: 200_000)
            try store.put(record)
            _ = try loaded(store, record)
            try FileManager.default.removeItem(at: folder.appending(path: "store/layers"))
            #expect(try store.layers(of: record) == record.layers)
            let statistics = try store.statistics()
            #expect(statistics.hotHits == 1 && statistics.hotRecords == 1 && statistics.hotByteCount > 600_000)
        }
    }

    @Test func `no more than its share of the cap is kept, and what was not used for longest leaves`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let capacity = try store.session().hot.capacity
            #expect(capacity < 32 << 20 && capacity > 8 << 20)
            let records = (0..<20).map { Sample.record($0, layerBytes: 512 << 10) }
            try store.put(records)
            for record in records + records { _ = try loaded(store, record) }
            let statistics = try store.statistics()
            #expect(statistics.hotByteCount <= capacity && statistics.hotByteCount > capacity - (2 << 20))
            let hits = try store.statistics().hotHits
            _ = try loaded(store, records[19])
            #expect(try store.statistics().hotHits == hits + 1)
        }
    }

    @Test func `records that are being read in are counted before they are whole`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let session = try store.session()
            let capacity = session.hot.capacity
            let records = (0..<6).map { Sample.record($0, layerBytes: capacity / 10) }
            try store.put(records)
            var streams = try records.map { record in
                let found = try #require(try store.lookup(record))
                return try #require(try store.stream(found))
            }
            for layer in 0..<3 { for stream in streams { _ = try stream.withLayer(layer) { $0.count } } }
            // Three of three tenths each fit.
            #expect(try store.statistics().hotRecords == 3)
            #expect(try store.statistics().hotByteCount <= capacity)
            streams = []
            // One that is begun and dropped leaves its room.
            for record in records + records {
                let found = try #require(try store.lookup(record))
                _ = try store.stream(found)?.withLayer(0) { $0.count }
            }
            #expect(session.hot.reserve(Sample.record(50).key, byteCount: capacity / 20) != nil)
        }
    }

    @Test func `one pass over many records does not push out what is used again and again`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let records = (0..<30).map { Sample.record($0, layerBytes: 512 << 10) }
            try store.put(records)
            for record in records.prefix(3) { _ = try loaded(store, record) }
            for record in records.dropFirst(3) { _ = try loaded(store, record) }
            let hits = try store.statistics().hotHits
            for record in records.prefix(3) { _ = try loaded(store, record) }
            #expect(try store.statistics().hotHits == hits + 3)
        }
    }

    @Test func `a removed record is not found in memory, and one put anew is read anew`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = Sample.record(1)
            try store.put(record)
            let found = try #require(try store.lookup(record))
            _ = try loaded(store, record)
            try store.remove([record.key])
            #expect(try store.load(found) == nil)
            #expect(try store.statistics().hotRecords == 0)
            try store.put(record)
            #expect(try store.layers(of: record) == record.layers)
        }
    }

    @Test func `a RAM cap that leaves no room to work is refused`() throws {
        try withTemporaryDirectory { folder in
            #expect(code { _ = try ChunkStore(in: folder, ramCap: 1 << 20) } == .invalidInput)
        }
    }
}

@Suite struct StreamingTests {
    private func stream(_ store: ChunkStore, _ record: ChunkRecord) throws -> StreamedChunk {
        let found = try #require(try store.lookup(record))
        return try #require(try store.stream(found))
    }

    /// Layers of sizes that share blocks and that don't, asked for in any order.
    @Test(arguments: [100, 4096, 70_000, 128 << 10, (128 << 10) + 1])
    func `layers come as they are asked for, in any order and again`(layerBytes: Int) throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let capacity = try store.session().hot.capacity
            let record = Sample.record(1, layerBytes: layerBytes)
            // So large that it fills the hot tier: what comes after it is not kept at first.
            let filler = Sample.record(2, layerBytes: capacity / 3 - 20_000)
            try store.put([record, filler])
            for isKept in [false, true, true] {
                if !isKept { _ = try store.layers(of: filler) }
                let streamed = try stream(store, record)
                for layer in [1, 0, 2, 2, 0] {
                    #expect(try streamed.withLayer(layer) { [UInt8]($0) } == record.layers[layer])
                }
            }
            #expect(try stream(store, record).isHot)
        }
    }

    @Test func `a layer that is damaged is an error, and the record is a miss from then on`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = Sample.record(1, layerBytes: 200_000)
            try store.put(record)
            let streamed = try stream(store, record)
            #expect(try streamed.withLayer(0) { [UInt8]($0) } == record.layers[0])
            let session = try store.session()
            let place = try #require(try session.header(record.key)).place
            let handle = try FileHandle(
                forWritingTo: URL(fileURLWithPath: session.files.file(place.segment)))
            try handle.seek(toOffset: UInt64(2 * RecordPlace.aligned(200_000) + 5))
            try handle.write(contentsOf: Data([record.layers[2][5] ^ 1]))
            try handle.close()
            #expect(try streamed.withLayer(1) { [UInt8]($0) } == record.layers[1])
            #expect(code { try streamed.withLayer(2) { (_) throws(TesseraError) in } } == .corrupt)
            #expect(try store.lookup(record) == nil)
            #expect(try store.statistics().damaged == 1)
            #expect(try store.statistics().hotRecords == 0)
        }
    }

    @Test func `a record that is removed while it streams is read to its end`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let records = (0..<2).map { Sample.record($0, layerBytes: 150_000) }
            try store.put(records)
            let streamed = try stream(store, records[0])
            #expect(try streamed.withLayer(0) { [UInt8]($0) } == records[0].layers[0])
            try store.remove([records[0].key])
            for layer in 1..<3 { #expect(try streamed.withLayer(layer) { [UInt8]($0) } == records[0].layers[layer]) }
        }
    }

    @Test func `a record whose file is missing is a miss`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = Sample.record(1)
            try store.put(record)
            let found = try #require(try store.lookup(record))
            let session = try store.session()
            try FileManager.default.removeItem(atPath: session.files.file(found.header.place.segment))
            #expect(try store.stream(found) == nil)
            #expect(try store.lookup(record) == nil)
        }
    }
}

@Suite struct RecencyListTests {
    @Test func `it agrees with a list that is searched from end to end`() {
        var list = RecencyList<Int, Int>()
        var plain: [(key: Int, value: Int)] = []
        var numbers = SplitMix64(seed: 1)
        for step in 0..<20_000 {
            let key = Int.random(in: 0..<40, using: &numbers)
            let place = plain.firstIndex { $0.key == key }
            switch Int.random(in: 0..<5, using: &numbers) {
            case 0, 1:
                #expect(list.set(key, step) == place.map { plain.remove(at: $0).value })
                plain.append((key, step))
            case 2:
                let entry = place.map { plain.remove(at: $0) }
                #expect(list.use(key) == entry?.value)
                if let entry { plain.append(entry) }
            case 3:
                #expect(list.remove(key) == place.map { plain.remove(at: $0).value })
            default:
                let oldest = plain.isEmpty ? nil : plain.removeFirst()
                let removed = list.removeOldest()
                #expect(removed?.key == oldest?.key && removed?.value == oldest?.value)
            }
            #expect(list.count == plain.count)
        }
    }
}
