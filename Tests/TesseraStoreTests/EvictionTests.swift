// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TesseraEviction
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct EvictionTests {
    @Test func `under lru what was not used for longest goes first`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, diskCap: 16 << 20, eviction: EvictionOptions(policy: .lru))
            let first = (0..<4).map { Sample.record($0, layerBytes: 512 << 10) }
            try store.put(first)
            for record in first where record.key != first[1].key { _ = try store.lookup(record) }
            var number = 4
            while try store.statistics().evicted == 0 {
                try store.put(Sample.record(number, layerBytes: 512 << 10))
                number += 1
            }
            #expect(try store.contains(first.map(\.key)) == [true, false, true, true])
            #expect(try store.statistics().evicted == 1)
            let newest = Sample.record(number - 1, layerBytes: 512 << 10)
            #expect(try store.layers(of: newest) == newest.layers)
        }
    }

    /// Twenty times the cap, in records of all sizes: the folder, sampled as fast as it goes, never exceeds the cap.
    @Test(arguments: [6 << 20, 12 << 20]) func `the folder never exceeds its cap`(cap: Int) throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, diskCap: cap)
            let directory = try store.session().directory
            let isDone = Atomic(false)
            let most = Atomic(0)
            let sampler = Thread {
                while !isDone.load(ordering: .relaxed) { most.max(directory.byteCount(), ordering: .relaxed) }
            }
            sampler.start()
            var numbers = SplitMix64(seed: UInt64(cap))
            var (written, number) = (0, 0)
            var latest: [ChunkRecord] = []
            while written < 20 * cap {
                latest = (0..<Int.random(in: 1...8, using: &numbers)).map { _ in
                    number += 1
                    let layerBytes = [100, 5_000, 60_000, cap / 64].randomElement(using: &numbers) ?? 1
                    return number % 5 == 0
                        ? Sample.variant(
                            number, behind: [1, 2], statistics: [UInt8](repeating: 1, count: 4000),
                            layerBytes: layerBytes)
                        : Sample.record(number, layerBytes: layerBytes)
                }
                try store.put(latest)
                written += latest.reduce(0) { $0 + $1.byteCount }
                if number % 3 == 0 { for record in latest { _ = try store.lookup(record) } }
            }
            for record in latest { #expect(try store.layers(of: record) == record.layers) }
            isDone.store(true, ordering: .relaxed)
            #expect(most.load(ordering: .relaxed) <= cap)
            #expect(most.load(ordering: .relaxed) > cap / 2)
            let statistics = try store.statistics()
            #expect(statistics.evicted > 100 && statistics.damaged == 0 && statistics.failedReads == 0)
            // The cap is for records, not for what surrounds them.
            #expect(statistics.byteCount > cap / 4)
            store.close()
            #expect(directory.byteCount() <= cap)
        }
    }

    @Test func `a record that is being read is not given up`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, diskCap: 8 << 20)
            let first = Sample.record(0, layerBytes: 300_000)
            try store.put(first)
            let session = try store.session()
            let lease = try LayerReader(try #require(try store.lookup(first)), session)
            for number in 1..<20 { try store.put(Sample.record(number, layerBytes: 300_000)) }
            #expect(try store.statistics().evicted > 5)
            #expect(try store.contains([first.key]) == [true])
            withExtendedLifetime(lease) {}
            #expect(try store.layers(of: first) == first.layers)
        }
    }

    @Test(arguments: PolicyKind.all) func `every policy keeps a store under its cap`(_ policy: PolicyKind) throws {
        try withTemporaryDirectory { folder in
            let cap = 6 << 20
            let store = try ChunkStore(in: folder, diskCap: cap, eviction: EvictionOptions(policy: policy))
            var numbers = SplitMix64(seed: 3)
            for round in 0..<250 {
                let chance = Double.random(in: 0..<1, using: &numbers)
                let record = Sample.record(Int(chance * chance * 120), layerBytes: 40_000)
                if try store.lookup(record) == nil { try store.put(record) }
                if round % 20 == 0 { #expect(try store.diskUsage() <= cap) }
            }
            let statistics = try store.statistics()
            #expect(statistics.hits + statistics.misses == 250)
            #expect(statistics.evicted > 10)
            #expect(statistics.bytesIn - statistics.bytesOut == statistics.byteCount)
            #expect(store.notes.isEmpty)
        }
    }

    @Test func `a policy of one's own runs the store, and one that misbehaves is overruled`() throws {
        let newest = PolicyKind("newest", "gives up what came last") { NewestFirst($0) }
        let mute = PolicyKind("mute", "gives up nothing") { NewestFirst($0, isMute: true) }
        for policy in [newest, mute] {
            try withTemporaryDirectory { folder in
                let store = try ChunkStore(in: folder, diskCap: 8 << 20, eviction: EvictionOptions(policy: policy))
                for number in 0..<20 { try store.put(Sample.record(number, layerBytes: 300_000)) }
                #expect(try store.statistics().evicted > 5)
                let first = try store.contains([Sample.record(0).key, Sample.record(19).key])
                #expect(first == [policy.name == "newest", true])
                #expect(store.notes.contains { $0.contains("mute") } == (policy.name == "mute"))
            }
        }
    }

    @Test func `pinned records and a scope that is spared stay under every policy`() throws {
        for policy in [PolicyKind.value, .s3fifo, .gdsf] {
            try withTemporaryDirectory { folder in
                let store = try ChunkStore(in: folder, diskCap: 8 << 20, eviction: EvictionOptions(policy: policy))
                let pinned = Sample.record(0, layerBytes: 300_000)
                let spared = Sample.record(1, namespace: "mine", layerBytes: 300_000)
                try store.put([pinned, spared])
                try store.pin([pinned.key])
                let scope = RecordScope(fingerprint: Sample.fingerprint, namespace: "mine")
                for number in 2..<20 {
                    try store.put([Sample.record(number, layerBytes: 300_000)], sparing: scope)
                }
                #expect(try store.contains([pinned.key, spared.key]) == [true, true])
            }
        }
    }

    @Test func `a policy begins with what the catalog knows of past uses`() throws {
        try withTemporaryDirectory { folder in
            let records = (0..<8).map { Sample.record($0, layerBytes: 512 << 10) }
            let before = try ChunkStore(in: folder, diskCap: 16 << 20)
            try before.put(records)
            for _ in 0..<5 { for record in records[2..<4] { _ = try before.lookup(record) } }
            before.close()
            let store = try ChunkStore(in: folder, eviction: EvictionOptions(policy: .lfu))
            var number = 8
            while try store.statistics().evicted < 4 {
                try store.put(Sample.record(number, layerBytes: 512 << 10))
                number += 1
            }
            #expect(try store.contains(records[2..<4].map(\.key)) == [true, true])
        }
    }

    @Test func `a namespace at its quota makes room among its own`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(
                in: folder, eviction: EvictionOptions(policy: .lru, quotas: ["small": 1 << 20]))
            let other = Sample.record(100, layerBytes: 300_000)
            try store.put(other)
            let mine = (0..<8).map { Sample.record($0, namespace: "small", layerBytes: 80_000) }
            for record in mine { try store.put(record) }
            let there = try store.contains(mine.map(\.key))
            #expect(there.first == false && there.last == true && there.count { $0 } == 4)
            #expect(try store.contains([other.key]) == [true])
            try store.pin(mine.suffix(4).map(\.key))
            #expect(code { try store.put(Sample.record(50, namespace: "small", layerBytes: 80_000)) } == .full)
            #expect(code { try store.put(Sample.record(51, namespace: "small", layerBytes: 2 << 20)) } == .full)
            #expect(try store.contains(mine.suffix(4).map(\.key)) == [true, true, true, true])
            let scope = RecordScope(fingerprint: Sample.fingerprint, namespace: "small")
            #expect(try store.room(batches: 1 << 20, sparing: scope) < 1 << 20)
        }
    }

    @Test func `a batch for a namespace is small beside its quota`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, eviction: EvictionOptions(quotas: ["small": 8 << 20]))
            #expect(store.batchByteCount(of: "small") == 1 << 20)
            #expect(store.batchByteCount(of: "other") == 32 << 20)
        }
    }

    @Test func `a policy that could not finish begins again with what is there`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, diskCap: 8 << 20)
            for number in 0..<20 { try store.put(Sample.record(number, layerBytes: 300_000)) }
            store.desk.withLock { $0.rest() }
            for number in 20..<30 { try store.put(Sample.record(number, layerBytes: 300_000)) }
            #expect(try store.diskUsage() <= 8 << 20)
            #expect(store.notes.isEmpty)
        }
    }

    @Test func `records past their time are a miss, and put anew`() throws {
        try withTemporaryDirectory { folder in
            let record = Sample.record(1)
            let pinned = Sample.record(2)
            let first = try ChunkStore(in: folder)
            try first.put([record, pinned])
            try first.pin([pinned.key])
            first.close()
            let store = try ChunkStore(in: folder, eviction: EvictionOptions(timeToLive: 0.001))
            Thread.sleep(forTimeInterval: 0.01)
            #expect(try store.lookup(record) == nil)
            #expect(try store.contains([record.key, pinned.key]) == [false, true])
            #expect(try store.lookup(pinned) != nil)
            #expect(try store.put(record) == .stored)
            store.close()
            let lasting = try ChunkStore(in: folder, eviction: EvictionOptions(timeToLive: 3600))
            #expect(try lasting.layers(of: record) == record.layers)
        }
    }

    @Test func `what requests computed is kept after as many as are wanted`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, eviction: EvictionOptions(admissionUses: 3))
            let scope = RecordScope(fingerprint: Sample.fingerprint, namespace: "")
            let chunks = [(key: Sample.record(1).key, tokens: 20, byteCount: 300)]
            #expect(
                try (0..<4).map { _ in try store.wants(chunks, scope: scope) } == [[false], [false], [true], [true]])
            // What is put is there at once, whoever asked.
            #expect(try store.put(Sample.record(2)) == .stored)
        }
    }

    @Test func `a full store keeps what is worth more than what a request computed`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, diskCap: 8 << 20)
            var records: [ChunkRecord] = []
            while try store.statistics().evicted == 0 {
                records.append(Sample.record(records.count, layerBytes: 300_000))
                try store.put(records[records.count - 1])
                for _ in 0..<20 { for record in records { _ = try store.lookup(record) } }
            }
            let scope = RecordScope(fingerprint: Sample.fingerprint, namespace: "")
            let newcomer = [(key: Sample.record(1000).key, tokens: 20, byteCount: 900_000)]
            _ = try store.use(of: records[1].key)
            #expect(try store.wants(newcomer, scope: scope) == [false])
            // Asked for over and over, it is wanted in the end.
            #expect(try (0..<1000).contains { _ in try store.wants(newcomer, scope: scope) == [true] })
        }
    }

    @Test func `chunks are demoted rather than given up, prefixes and variants never`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, diskCap: 8 << 20, eviction: EvictionOptions(demotion: ColdForm(.q8)))
            // Used all the time: worth too much to be given up, and it can't be written smaller.
            let prefix = try Sample.numbers(999, tokens: 400, kind: .prefix)
            try store.put(prefix)
            func usePrefix() throws {
                for _ in 0..<5 {
                    _ = try store.longestPrefix(
                        fingerprint: prefix.fingerprint, namespace: "", tokens: prefix.tokens + [1])
                }
            }
            var records: [ChunkRecord] = []
            while try store.statistics().demoted < 3 {
                try usePrefix()
                records.append(try Sample.numbers(records.count, tokens: 400))
                try store.put(records[records.count - 1])
                #expect(try store.diskUsage() <= 8 << 20)
                #expect(records.count < 200)
            }
            var demoted = 0
            for record in records {
                guard let chunk = try store.lookup(record), let loaded = try store.load(chunk) else { continue }
                let layers = (0..<2).map { loaded.withLayer($0) { [UInt8]($0) } }
                if chunk.codec == "fp16" {
                    #expect(layers == record.layers)
                } else {
                    // Just what writing the same numbers in q8 at once would have given.
                    demoted += 1
                    let number = Int(record.tokens[0]) / 1000
                    #expect(layers == (try Sample.numbers(number, tokens: 400, codec: .q8)).layers)
                }
            }
            #expect(demoted >= 1)
            #expect(try store.lookup(prefix)?.codec == "fp16")
            // As long as chunks could be written smaller, none had to go.
            #expect(try store.statistics().evicted == 0)
            #expect(try store.verify(readsLayers: true).problems.isEmpty)
            let statistics = try store.statistics()
            #expect(statistics.bytesIn - statistics.bytesOut == statistics.byteCount)
            store.close()
            let reopened = try ChunkStore(in: folder)
            #expect(try reopened.verify(readsLayers: true).problems.isEmpty)
        }
    }

    @Test func `a record that is read while it is demoted keeps its bytes`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, eviction: EvictionOptions(demotion: ColdForm(.q8)))
            let record = try Sample.numbers(1, tokens: 400)
            try store.put(record)
            let chunk = try #require(try store.lookup(record))
            let streamed = try #require(try store.stream(chunk))
            let saved = try store.writing { (session, ledger) throws(TesseraError) in
                try store.demote(record.key, session, &ledger)
            }
            #expect(saved ?? 0 > 0)
            for layer in record.layers.indices {
                let isSame = try streamed.withLayer(layer) { $0.elementsEqual(record.layers[layer]) }
                #expect(isSame)
            }
            #expect(try store.lookup(record)?.codec == "q8")
        }
    }

    @Test func `eviction options that make no sense are refused`() throws {
        try withTemporaryDirectory { folder in
            for options in [
                EvictionOptions(timeToLive: 0), EvictionOptions(quotas: ["a": 0]), EvictionOptions(admissionUses: 0),
                EvictionOptions(demotion: ColdForm(.fp16)), EvictionOptions(demotion: ColdForm(.bf16Zstd)),
                EvictionOptions(demotion: ColdForm(nil)), EvictionOptions(demotion: ColdForm(.q4), codec: .q8),
                EvictionOptions(demotion: ColdForm(.q8), codec: .q8),
            ] {
                #expect(code { _ = try ChunkStore(in: folder, eviction: options) } == .invalidInput)
            }
        }
    }
}

/// Gives up what came last, or nothing at all.
private struct NewestFirst: EvictionPolicy {
    private var queue: [ObjectKey] = []
    private let isMute: Bool

    init(_ settings: PolicySettings) { self.init(settings, isMute: false) }

    init(_ settings: PolicySettings, isMute: Bool) { self.isMute = isMute }

    mutating func insert(_ object: CachedObject, at time: Double) { queue.append(object.key) }
    mutating func remove(_ key: ObjectKey) { queue.removeAll { $0 == key } }
    mutating func victim(
        for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
    ) -> Victim? {
        guard !isMute, let place = queue.lastIndex(where: { !isSpared($0) }) else { return nil }
        return .evict(queue.remove(at: place))
    }
}
