// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct EvictionTests {
    @Test func `what was not used for longest goes first`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, diskCap: 16 << 20)
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
}
