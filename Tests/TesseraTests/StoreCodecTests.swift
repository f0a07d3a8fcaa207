// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import Tessera

@Suite struct StoreCodecTests {
    private let prompt = randomPrompt(seed: 71)

    /// The logits of a prompt over stored chunks, from the disk and from memory.
    private func logits(_ codec: StoreCodec, in folder: URL) async throws -> (first: [Float], again: [Float]) {
        var options = ContextCacheOptions.exactArithmetic()
        options.storeCodec = codec
        let path = folder.appendingPathComponent(codec.rawValue).path
        let cache = try ContextCache(model: smallModel, store: path, options: options)
        try await cache.ingest(contextsOf: prompt)
        let first = try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0))
        let again = try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0))
        #expect(first.report.hits == 3 && again.report.hits == 3)
        await cache.close()
        return (first.logits, again.logits)
    }

    @Test func `every codec serves requests, and one that loses nothing serves the same`() async throws {
        try await withTemporaryDirectory { folder in
            let fp16 = try await logits(.fp16, in: folder)
            let bf16 = try await logits(.bf16, in: folder)
            let q8 = try await logits(.q8, in: folder)
            #expect(fp16.first == fp16.again && bf16.first == bf16.again && q8.first == q8.again)
            #expect(try await logits(.fp16Zstd, in: folder) == fp16)
            #expect(try await logits(.bf16Zstd, in: folder) == bf16)
            let spread = (fp16.first.max() ?? 0) - (fp16.first.min() ?? 0)
            #expect(largestDifference(bf16.first, fp16.first) < 0.05 * spread)
            #expect(largestDifference(q8.first, fp16.first) < 0.05 * spread)
            #expect(q8.first != fp16.first)
        }
    }

    @Test func `records of any codec are read, whatever new ones are written in`() async throws {
        try await withTemporaryDirectory { folder in
            for codec in StoreCodec.allCases {
                var options = ContextCacheOptions.exactArithmetic()
                options.storeCodec = codec
                let cache = try ContextCache(model: smallModel, store: folder.path + "/store", options: options)
                if codec == .fp16 { try await cache.ingest(contextsOf: prompt) }
                #expect(try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0)).report.hits == 3)
                await cache.close()
            }
        }
    }

    /// The first layers are sound, so that the request has begun when the damage shows.
    @Test func `a record that turns out damaged midway is computed, and the answer is the exact one`() async throws {
        try await withTemporaryDirectory { folder in
            let store = folder.path + "/store"
            var cache = try ContextCache(model: smallModel, store: store, options: .exactArithmetic())
            try await cache.ingest(contextsOf: prompt)
            await cache.close()
            for name in try FileManager.default.contentsOfDirectory(atPath: store + "/layers") {
                let file = URL(fileURLWithPath: store + "/layers/" + name)
                var bytes = try Data(contentsOf: file)
                for block in stride(from: 0, to: bytes.count, by: 4096) { bytes[block + 1] ^= 1 }
                try bytes.write(to: file)
            }
            cache = try ContextCache(model: smallModel, store: store, options: .exactArithmetic())
            let result = try await cache.logits(of: prompt, assembly: .stitched(.none, ratio: 0))
            let exact = try await cache.logits(of: prompt, assembly: .exact)
            #expect(result.report.hits == 0 && result.report.misses == 3)
            #expect(largestDifference(result.logits, exact.logits) < 2e-4)
            await cache.close()
        }
    }
}
