// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct RoundTripTests {
    @Test func `a record comes back bit for bit, with all that was said about it`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = Sample.record(1, namespace: "tenant")
            #expect(try store.put(record) == .stored)
            let chunk = try #require(try store.lookup(record))
            #expect(chunk.key == record.key && chunk.kind == .chunk && chunk.provenance == .isolated)
            #expect(chunk.fingerprint == record.fingerprint && chunk.namespace == "tenant")
            #expect(chunk.tokens == record.tokens && chunk.layout == record.layout && chunk.codec == "fp16")
            #expect(chunk.byteCount == record.byteCount)
            #expect(try store.layers(of: record) == record.layers)
            for layer in 0..<3 {
                let bytes = try store.withLayer(layer, of: chunk) { (bytes) throws(TesseraError) in [UInt8](bytes) }
                #expect(bytes == record.layers[layer])
            }
        }
    }

    @Test func `what was put is there after the store was closed and opened again`() throws {
        try withTemporaryDirectory { folder in
            let records = (0..<50).map { Sample.record($0, layerBytes: 1000 + $0) }
            let first = try ChunkStore(in: folder)
            #expect(try first.put(records) == Array(repeating: .stored, count: 50))
            first.close()
            let second = try ChunkStore(in: folder)
            #expect(second.notes == [])
            for record in records { #expect(try second.layers(of: record) == record.layers) }
            #expect(try second.statistics().records == 50)
        }
    }

    @Test func `a batch larger than one file of layers comes back whole`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let records = (0..<5).map { Sample.record($0, layerBytes: 8 << 20) }
            try store.put(records)
            #expect(store.ledger.withLock { $0.segments.count } == 5)
            for record in records { #expect(try store.layers(of: record) == record.layers) }
        }
    }

    @Test func `layers may have any length from one byte on, each its own`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let sizes = [1, 7, 16 << 10, (16 << 10) + 1, 3 << 20]
            let record = ChunkRecord(
                kind: .chunk, fingerprint: Sample.fingerprint, namespace: "", tokens: [1],
                layout: KVLayout(layers: sizes.count, heads: 1, headDimension: 1), codec: "any",
                layers: sizes.map { [UInt8](repeating: UInt8($0 % 251), count: $0) })
            try store.put(record)
            #expect(try store.layers(of: record) == record.layers)
        }
    }

    @Test func `putting a record twice leaves the first alone and says so`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let (one, two) = (Sample.record(1), Sample.record(2))
            #expect(try store.put([one, one, two]) == [.stored, .alreadyThere, .stored])
            let created = try store.lookup(one)?.created
            #expect(try store.put([one, two]) == [.alreadyThere, .alreadyThere])
            #expect(try store.lookup(one)?.created == created)
            #expect(try store.statistics().records == 2)
        }
    }

    @Test func `records that contradict themselves are refused`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            func refused(_ tokens: [TokenID], _ layers: [[UInt8]], namespace: String = "") -> Bool {
                let record = ChunkRecord(
                    kind: .chunk, fingerprint: Sample.fingerprint, namespace: namespace, tokens: tokens,
                    layout: Sample.layout, codec: "fp16", layers: layers)
                return code { try store.put(record) } == .invalidInput
            }
            #expect(refused([], [[1], [1], [1]]))
            #expect(refused([1], [[1], [1]]))
            #expect(refused([1], [[1], [], [1]]))
            #expect(refused([1], [[1], [1], [1]], namespace: String(repeating: "n", count: 2000)))
            #expect(try store.statistics().records == 0)
        }
    }

    @Test func `a key found under another fingerprint or other tokens is a miss and is counted`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = Sample.record(1)
            try store.put(record)
            #expect(try store.lookup(record.key, fingerprint: Digest256(of: [2]), tokens: record.tokens) == nil)
            #expect(try store.lookup(record.key, fingerprint: record.fingerprint, tokens: [1]) == nil)
            #expect(try store.lookup(Sample.record(2)) == nil)
            #expect(try store.lookup(record) != nil)
            let statistics = try store.statistics()
            #expect(statistics.mismatches == 2 && statistics.misses == 3 && statistics.hits == 1)
        }
    }

    @Test func `contains answers for each key in order`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let records = (0..<10).map { Sample.record($0) }
            try store.put(records.filter { $0.tokens[0] % 200 == 0 })
            let there = try store.contains(records.map(\.key))
            #expect(there == (0..<10).map { $0.isMultiple(of: 2) })
        }
    }

    @Test func `statistics add up by kind and namespace`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            try store.put([
                Sample.record(1), Sample.record(2), Sample.record(3, namespace: "b"),
                Sample.record(4, kind: .prefix, namespace: "b"),
            ])
            #expect(
                try store.statistics().tallies == [
                    .init(kind: .chunk, provenance: .isolated, namespace: "", records: 2, tokens: 40, byteCount: 600),
                    .init(kind: .chunk, provenance: .isolated, namespace: "b", records: 1, tokens: 20, byteCount: 300),
                    .init(kind: .prefix, provenance: .prefix, namespace: "b", records: 1, tokens: 20, byteCount: 300),
                ])
        }
    }

    @Test func `uses are counted and survive a clean close`() throws {
        try withTemporaryDirectory { folder in
            let record = Sample.record(1)
            let first = try ChunkStore(in: folder)
            try first.put(record)
            #expect(try first.use(of: record.key)?.count == 0)
            for _ in 0..<3 { _ = try first.lookup(record) }
            first.close()
            let second = try ChunkStore(in: folder)
            let use = try #require(try second.use(of: record.key))
            #expect(use.count == 3 && use.last > 0)
            #expect(try second.use(of: Sample.record(2).key) == nil)
        }
    }
}

@Suite struct PrefixTests {
    private let run: [TokenID] = Array(1...40)

    private func prefix(_ count: Int, namespace: String = "", fingerprint: Digest256 = Sample.fingerprint)
        -> ChunkRecord
    {
        Sample.record(
            count, kind: .prefix, namespace: namespace, fingerprint: fingerprint, tokens: Array(run.prefix(count)))
    }

    @Test func `the longest stored run that leads the prompt is found`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let stranger = Sample.record(9, kind: .prefix, tokens: [1, 2, 3, 99, 5, 6, 7, 8])
            try store.put([prefix(4), prefix(10), prefix(30), stranger])
            func longest(_ tokens: [TokenID]) throws -> [TokenID]? {
                try store.longestPrefix(fingerprint: Sample.fingerprint, namespace: "", tokens: tokens)?.tokens
            }
            #expect(try longest(run) == Array(run.prefix(30)))
            #expect(try longest(Array(run.prefix(30))) == Array(run.prefix(30)))
            #expect(try longest(Array(run.prefix(29))) == Array(run.prefix(10)))
            #expect(try longest(Array(run.prefix(12)) + [77]) == Array(run.prefix(10)))
            #expect(try longest([1, 2, 3, 99, 5, 6, 7, 8, 9]) == stranger.tokens)
            #expect(try longest([1, 2, 3]) == nil)
            #expect(try longest([]) == nil)
        }
    }

    @Test func `a run that comes or goes later is found or not`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            func longest() throws -> Int? {
                try store.longestPrefix(fingerprint: Sample.fingerprint, namespace: "", tokens: run)?.tokens.count
            }
            #expect(try longest() == nil)
            try store.put([prefix(4)])
            #expect(try longest() == 4)
            try store.put([prefix(20), prefix(9)])
            #expect(try longest() == 20)
            try store.remove([prefix(20).key])
            #expect(try longest() == 9)
            store.close()
            let again = try ChunkStore(in: folder)
            try again.put([prefix(11)])
            let found = try again.longestPrefix(fingerprint: Sample.fingerprint, namespace: "", tokens: run)
            #expect(found?.tokens.count == 11)
        }
    }

    @Test func `prefixes of another namespace, another fingerprint or another kind are not found`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let other = Digest256(of: [2])
            try store.put([
                prefix(10, namespace: "b"), prefix(12, fingerprint: other),
                Sample.record(1, tokens: Array(run.prefix(8))),
            ])
            let none = try store.longestPrefix(fingerprint: Sample.fingerprint, namespace: "", tokens: run)
            #expect(none == nil)
            let theirs = try store.longestPrefix(fingerprint: Sample.fingerprint, namespace: "b", tokens: run)
            #expect(theirs?.tokens.count == 10)
        }
    }
}
