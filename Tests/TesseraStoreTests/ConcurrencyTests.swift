// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct ConcurrencyTests {
    @Test func `readers see whole records or none while others write and remove`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try ChunkStore(in: folder)
        let records = (0..<40).map { Sample.record($0, layerBytes: 50_000) }
        try store.put(Array(records.prefix(10)))
        let hits = try await withThrowingTaskGroup(of: Int.self) { group in
            for writer in 0..<2 {
                group.addTask {
                    for round in 0..<6 {
                        let mine = Array(records[10 + writer * 15..<25 + writer * 15])
                        for part in stride(from: 0, to: 15, by: 5) { try store.put(Array(mine[part..<part + 5])) }
                        if round < 5 { try store.remove(mine.map(\.key)) }
                    }
                    return 0
                }
            }
            for reader in 0..<3 {
                group.addTask {
                    var numbers = SplitMix64(seed: UInt64(reader))
                    var hits = 0
                    for _ in 0..<600 {
                        let record = records[Int.random(in: records.indices, using: &numbers)]
                        guard let layers = try store.layers(of: record) else { continue }
                        if layers == record.layers { hits += 1 } else { Issue.record("other bytes came back") }
                    }
                    return hits
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(hits >= 300)
        for record in records { #expect(try store.layers(of: record) == record.layers) }
        let statistics = try store.statistics()
        #expect(statistics.damaged == 0 && statistics.failedReads == 0 && statistics.records == 40)
    }

    @Test func `variants that come and go are seen whole or not at all, and never taken for damage`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let variants = (2..<8).map { Sample.variant(1, behind: [$0], layerBytes: 2000) }
            try store.put(variants[0])
            DispatchQueue.concurrentPerform(iterations: 4) { thread in
                do {
                    for round in 0..<(thread == 0 ? 25 : 400) {
                        if thread == 0 {
                            try store.put(Array(variants.dropFirst()))
                            if round.isMultiple(of: 2) { try store.removeVariants(of: [variants[1].chunk]) }
                            try store.remove(variants.dropFirst(3).map(\.key))
                            continue
                        }
                        for found in try store.variants(variants[0]) {
                            let record = try #require(variants.first { $0.key == found.key })
                            #expect(found.behind == record.behind)
                            let layers = try store.layers(of: record)
                            #expect(layers == nil || layers == record.layers)
                        }
                    }
                } catch { Issue.record(error) }
            }
            let statistics = try store.statistics()
            #expect(statistics.damaged == 0 && statistics.failedReads == 0)
            #expect(try store.variantRecords() == statistics.variants)
        }
    }

    @Test func `closing while others read ends their reads with a clear error`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = Sample.record(1, layerBytes: 50_000)
            try store.put(record)
            // One of the threads closes the store after some reads; the others go on until they are told.
            DispatchQueue.concurrentPerform(iterations: 4) { thread in
                for round in 0... {
                    if thread == 0, round == 50 { store.close() }
                    do {
                        let layers = try store.layers(of: record)
                        if layers != nil, layers != record.layers { Issue.record("other bytes came back") }
                    } catch {
                        #expect((error as? TesseraError)?.code == .invalidInput)
                        return
                    }
                }
            }
            #expect(throws: Never.self) { try ChunkStore(in: folder) }
        }
    }
}
