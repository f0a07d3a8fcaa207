// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct RemovalTests {
    @Test func `removed records are gone, also after opening again`() throws {
        try withTemporaryDirectory { folder in
            let records = (0..<6).map { Sample.record($0) }
            let first = try ChunkStore(in: folder)
            try first.put(records)
            #expect(try first.remove([records[1].key, records[4].key, Sample.record(99).key]) == 2)
            first.close()
            let second = try ChunkStore(in: folder)
            #expect(try second.contains(records.map(\.key)) == [true, false, true, true, false, true])
            #expect(try second.layers(of: records[5]) == records[5].layers)
            #expect(try second.statistics().records == 4)
        }
    }

    @Test func `removing all records of a file gives its bytes back at once`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let empty = try store.diskUsage()
            let records = (0..<4).map { Sample.record($0, layerBytes: 2 << 20) }
            try store.put(records)
            #expect(try store.diskUsage() > empty + (20 << 20))
            try store.remove(records.map(\.key))
            #expect(try store.diskUsage() < empty + (1 << 20))
            #expect(try store.statistics().garbageByteCount == 0)
        }
    }

    @Test func `the blocks of a removed record are free at once, those of its neighbours stay`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let records = (0..<6).map { Sample.record($0, layerBytes: (256 << 10) + $0) }
            try store.put(records)
            let full = try store.diskUsage()
            try store.remove([records[0].key, records[2].key, records[5].key])
            #expect(try store.diskUsage() < full - (3 * 768 << 10) + (64 << 10))
            #expect(try store.statistics().garbageByteCount < 64 << 10)
            let left = [records[1], records[3], records[4]]
            for record in left { #expect(try store.layers(of: record) == record.layers) }
            store.close()
            let again = try ChunkStore(in: folder)
            #expect(again.notes == [])
            for record in left { #expect(try again.layers(of: record) == record.layers) }
            #expect(try again.holes() == 0)
        }
    }

    @Test func `while a segment is read no block of it is given back`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let records = (0..<2).map { Sample.record($0, layerBytes: 64 << 10) }
            try store.put(records)
            let session = try store.session()
            let chunk = try #require(try store.lookup(records[0]))
            var lease: LayerReader? = try LayerReader(chunk, session)
            try store.remove([records[0].key])
            #expect(try store.holes() == 1)
            let layers = try #require(try lease?.read(0..<3, from: session.memory))
            #expect(layers.withLayer(2) { [UInt8]($0) } == records[0].layers[2])
            lease = nil
            // The next removal, of whatever, comes back to it.
            try store.put(Sample.record(9))
            try store.remove([Sample.record(9).key])
            #expect(try store.holes() == 0)
            #expect(try session.layers(0..<3, of: chunk) == nil)
        }
    }

    @Test func `a loaded chunk outlives its removal and the store`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = Sample.record(1, layerBytes: 1 << 20)
            try store.put(record)
            let found = try #require(try store.lookup(record))
            let loaded = try #require(try store.load(found))
            try store.remove([record.key])
            #expect(try store.load(found) == nil)
            #expect(code { try store.withLayer(0, of: found) { (_) throws(TesseraError) in } } == .notFound)
            #expect(try store.statistics().damaged == 0)
            store.close()
            for layer in 0..<3 { #expect(loaded.withLayer(layer) { [UInt8]($0) } == record.layers[layer]) }
        }
    }

    @Test func `a removed record can be put again`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = Sample.record(1)
            try store.put(record)
            try store.remove([record.key])
            #expect(try store.put(record) == .stored)
            #expect(try store.layers(of: record) == record.layers)
        }
    }
}

extension ChunkStore {
    /// The number of holes that wait to be given back.
    func holes() throws -> Int {
        try writing { (_, ledger) throws(TesseraError) in ledger.holes.count }
    }
}
