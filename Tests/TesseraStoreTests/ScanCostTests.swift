// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

/// What a request waits for before it knows its variants. The bounds are ten times what was measured, because the
/// machine has other work to do.
@Suite(.serialized) struct ScanCostTests {
    private func best(_ runs: Int, _ body: () throws -> Void) rethrows -> Duration {
        var best = Duration.seconds(100)
        for _ in 0..<runs {
            best = min(best, try ContinuousClock().measure(body))
        }
        return best
    }

    @Test func `weighing five variants of each of twenty chunks takes a moment`() throws {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder)
            let layout = KVLayout(layers: 30, heads: 1, headDimension: 1)
            let statistics = [UInt8](repeating: 1, count: 2048)
            let chunks = (0..<20).map { number in
                Sample.record(number, tokens: (0..<256).map { TokenID(number * 1000 + $0) }, layout: layout)
            }
            for variant in 0..<5 {
                try first.put(
                    chunks.map { chunk in
                        ChunkRecord(
                            behind: (0...variant).map { chunks[$0].key }, statistics: statistics,
                            fingerprint: chunk.fingerprint, namespace: "", tokens: chunk.tokens, layout: layout,
                            codec: "fp16", layers: chunk.layers)
                    })
            }
            // Opened again, so that the records are read from tables.
            first.close()
            let store = try ChunkStore(in: folder)
            let time = try best(20) {
                let found = try chunks.map { chunk in
                    try store.variants(of: chunk.key, fingerprint: chunk.fingerprint, tokens: chunk.tokens).count
                }
                #expect(found == Array(repeating: 5, count: 20))
            }
            #expect(time < .milliseconds(10))
        }
    }

    @Test func `listing ten thousand records takes a moment`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let layout = KVLayout(layers: 1, heads: 1, headDimension: 1)
            try store.put((0..<10_000).map { Sample.record($0, layerBytes: 8, layout: layout) })
            let time = try best(5) {
                let records = try store.records(fingerprint: Sample.fingerprint, namespace: "")
                #expect(records.count == 10_000)
            }
            #expect(time < .milliseconds(200))
        }
    }
}
