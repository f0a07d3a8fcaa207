// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct VariantTests {
    private let chunk = Sample.record(1)
    private let one = Sample.variant(1, behind: [2, 3], statistics: [9, 8, 7])
    private let two = Sample.variant(1, behind: [3, 2], statistics: [])

    @Test func `variants are found by their chunk and come back bit for bit`() throws {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder)
            let other = Sample.variant(4, behind: [1])
            #expect(try first.put([chunk, one, two, other]) == Array(repeating: .stored, count: 4))
            #expect(try first.put([one, two]) == [.alreadyThere, .alreadyThere])
            first.close()
            let store = try ChunkStore(in: folder)
            #expect(store.notes == [])
            let found = try store.variants(chunk)
            #expect(Set(found.map(\.key)) == [one.key, two.key])
            for variant in found {
                let record = try #require([one, two].first { $0.key == variant.key })
                #expect(variant.chunk == chunk.key && variant.behind == record.behind)
                #expect(variant.statistics == record.statistics)
                let stored = try #require(
                    try store.chunk(of: variant, fingerprint: chunk.fingerprint, tokens: chunk.tokens))
                #expect(stored.provenance == .contextual && stored.kind == .chunk)
                let loaded = try #require(try store.load(stored))
                for layer in 0..<3 { #expect(loaded.withLayer(layer) { [UInt8]($0) } == record.layers[layer]) }
            }
            #expect(try store.layers(of: chunk) == chunk.layers)
        }
    }

    @Test func `a chunk may have variants only`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            try store.put(one)
            #expect(try store.lookup(chunk) == nil)
            #expect(try store.variants(chunk).map(\.key) == [one.key])
            #expect(try store.chunkKeys(fingerprint: Sample.fingerprint, namespace: "") == [])
            #expect(try store.variantOwners(fingerprint: Sample.fingerprint, namespace: "") == [chunk.key])
        }
    }

    @Test func `finding a variant counts as a use, weighing it doesn't`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            try store.put(one)
            let variant = try #require(try store.variants(chunk).first)
            #expect(try store.statistics().hits == 0)
            _ = try store.chunk(of: variant, fingerprint: chunk.fingerprint, tokens: chunk.tokens)
            #expect(try store.use(of: one.key)?.count == 1)
            #expect(try store.chunk(of: variant, fingerprint: chunk.fingerprint, tokens: [1]) == nil)
            #expect(try store.chunk(of: variant, fingerprint: Digest256(of: [2]), tokens: chunk.tokens) == nil)
            let stranger = StoredVariant(key: one.key, chunk: two.key, behind: one.behind, statistics: [])
            #expect(try store.chunk(of: stranger, fingerprint: chunk.fingerprint, tokens: chunk.tokens) == nil)
            let statistics = try store.statistics()
            #expect(statistics.hits == 1 && statistics.misses == 3 && statistics.mismatches == 3)
        }
    }

    @Test func `an isolated record is never taken for a variant`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            try store.put(chunk)
            #expect(try store.variants(chunk).isEmpty)
            let pretended = StoredVariant(key: chunk.key, chunk: chunk.key, behind: [chunk.key], statistics: [])
            #expect(try store.chunk(of: pretended, fingerprint: chunk.fingerprint, tokens: chunk.tokens) == nil)
        }
    }

    @Test func `variants never cross a namespace or a fingerprint`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let other = Digest256(of: [2])
            let theirs = Sample.variant(1, behind: [2, 3], namespace: "b")
            let elsewhere = Sample.variant(1, behind: [2, 3], fingerprint: other)
            try store.put([one, theirs, elsewhere])
            #expect(Set([one.key, theirs.key, elsewhere.key]).count == 3)
            #expect(try store.variants(one).map(\.key) == [one.key])
            #expect(try store.variants(theirs).map(\.key) == [theirs.key])
            #expect(try store.variants(elsewhere).map(\.key) == [elsewhere.key])
            // The key of one with the fingerprint of another finds nothing, and is no damage.
            #expect(try store.variants(of: one.chunk, fingerprint: other, tokens: one.tokens).isEmpty)
            #expect(try store.variantOwners(fingerprint: Sample.fingerprint, namespace: "b") == [theirs.chunk])
            #expect(try store.records(fingerprint: Sample.fingerprint, namespace: "b").map(\.key) == [theirs.key])
            #expect(try store.removeVariants(of: [theirs.chunk]) == 1)
            #expect(try store.contains([one.key, theirs.key, elsewhere.key]) == [true, false, true])
            #expect(try store.statistics().damaged == 0)
        }
    }

    @Test func `a removed variant is gone with its small record, and can be put again`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            try store.put([chunk, one, two])
            #expect(try store.remove([one.key]) == 1)
            #expect(try store.variants(chunk).map(\.key) == [two.key])
            #expect(try store.variantRecords() == 1)
            #expect(try store.put(one) == .stored)
            #expect(try store.variants(chunk).count == 2)
            #expect(try store.remove([chunk.key]) == 1)
            #expect(try store.variants(chunk).count == 2)
            #expect(try store.removeVariants(of: [chunk.key, Sample.record(9).key]) == 2)
            #expect(try store.removeVariants(of: [chunk.key]) == 0)
            #expect(try store.variantRecords() == 0)
            #expect(try store.statistics().records == 0)
            #expect(try store.statistics().garbageByteCount == 0)
        }
    }

    @Test func `a variant stays when its neighbours in the segment go`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let kept = Sample.variant(1, behind: [5], layerBytes: 100_000)
            let records = [kept] + (2..<6).map { Sample.record($0, layerBytes: 100_000) }
            try store.put(records)
            try store.remove(records.dropFirst().map(\.key))
            #expect(try store.variants(kept).map(\.behind) == [kept.behind])
            #expect(try store.layers(of: kept) == kept.layers)
        }
    }

    @Test func `statistics count variants apart, and records lists them with their uses`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            try store.put([chunk, one, two, Sample.record(7, kind: .prefix)])
            _ = try store.lookup(chunk)
            let statistics = try store.statistics()
            #expect(statistics.variants == 2 && statistics.records == 4)
            #expect(
                statistics.tallies == [
                    .init(kind: .chunk, provenance: .isolated, namespace: "", records: 1, tokens: 20, byteCount: 300),
                    .init(kind: .chunk, provenance: .contextual, namespace: "", records: 2, tokens: 40, byteCount: 600),
                    .init(kind: .prefix, provenance: .prefix, namespace: "", records: 1, tokens: 20, byteCount: 300),
                ])
            let records = try store.records(fingerprint: Sample.fingerprint, namespace: "")
            #expect(Set(records.map(\.key)) == [chunk.key, one.key, two.key])
            #expect(records.allSatisfy { $0.bytes == 300 && $0.uses == ($0.key == chunk.key ? 1 : 0) })
        }
    }

    @Test func `variants that contradict themselves are refused`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            func refused(_ behind: [ChunkKey], _ statistics: [UInt8]) -> Bool {
                let record = ChunkRecord(
                    behind: behind, statistics: statistics, fingerprint: Sample.fingerprint, namespace: "",
                    tokens: [1], layout: Sample.layout, codec: "fp16", layers: [[1], [1], [1]])
                return code { try store.put(record) } == .invalidInput
            }
            #expect(refused([], []))
            #expect(refused(Array(repeating: chunk.key, count: 4097), []))
            #expect(refused([chunk.key], [UInt8](repeating: 0, count: (4 << 20) + 1)))
            #expect(!refused(Array(repeating: chunk.key, count: 4096), [UInt8](repeating: 0, count: 4 << 20)))
            #expect(try store.statistics().records == 1)
        }
    }

    @Test func `the catalog is made again with all variants`() throws {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder)
            try first.put([chunk, one, two])
            first.close()
            let catalog = folder.appending(path: "store/catalog.sqlite")
            try FileManager.default.removeItem(at: catalog)
            let store = try ChunkStore(in: folder)
            #expect(store.notes.contains { $0.contains("made the catalog again") })
            #expect(try store.statistics().variants == 2)
            #expect(try store.variantOwners(fingerprint: Sample.fingerprint, namespace: "") == [chunk.key])
            #expect(try store.variants(chunk).count == 2)
        }
    }
}

extension ChunkStore {
    /// The number of variants' small records, read from the database.
    func variantRecords() throws -> Int {
        var count = 0
        try session().database.scan(from: StoreKey.variants.start, upTo: StoreKey.variants.end) { _, _ in
            count += 1
            return true
        }
        return count
    }
}
