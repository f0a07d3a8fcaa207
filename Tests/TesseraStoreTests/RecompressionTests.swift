// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct `Recompression` {
    private let tokens = 64

    /// The bytes of a record's first layer, by the store.
    private func layer(_ key: ChunkKey, in store: ChunkStore) throws -> (codec: String, bytes: [UInt8]) {
        let chunk = try #require(try store.record(key))
        let loaded = try #require(try store.load(chunk))
        return (chunk.codec, loaded.withLayer(0) { Array($0) })
    }

    @Test func `writes each chunk from what it was computed as`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let records = try (0..<3).map { try Sample.numbers($0, tokens: tokens) }
            try store.put(records)
            let outcome = try store.recompress(records.map(\.key), as: ColdForm(.q8))
            #expect(outcome.rewritten == 3 && outcome.saved > 0)
            for (number, record) in records.enumerated() {
                let expected = try Sample.numbers(number, tokens: tokens, codec: .q8)
                let found = try layer(record.key, in: store)
                #expect(found.codec == "q8" && found.bytes == expected.layers[0])
            }
            let again = try store.recompress(records.map(\.key), as: ColdForm(.q8))
            #expect(again.unchanged == 3 && again.rewritten == 0)
        }
    }

    @Test func `never writes a chunk anew from a copy with losses`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = try Sample.numbers(1, tokens: tokens, codec: .q8)
            try store.put([record])
            let before = try layer(record.key, in: store)
            for codec in StoreCodec.allCases where codec != .q8 {
                let outcome = try store.recompress([record.key], as: ColdForm(codec))
                #expect(outcome.lossy == 1 && outcome.rewritten == 0)
            }
            let after = try layer(record.key, in: store)
            #expect(after == before)
        }
    }

    @Test func `leaves prefixes, variants, and what would get no smaller`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let prefix = try Sample.numbers(1, tokens: tokens, kind: .prefix)
            let chunk = try Sample.numbers(2, tokens: tokens)
            try store.put([prefix, chunk])
            let outcome = try store.recompress([prefix.key, chunk.key], as: ColdForm(.bf16))
            #expect(outcome.kept == 2 && outcome.rewritten == 0)
            #expect(try store.recompress([Sample.record(9).key], as: ColdForm(.q8)).kept == 1)
        }
    }
}
