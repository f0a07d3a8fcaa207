// SPDX-License-Identifier: Apache-2.0

public import Foundation
internal import Tessera
internal import TesseraKV
internal import TesseraStore

/// `tessera bench catalog`: what finding and opening take as a store grows.
public struct CatalogBench: Sendable {
    /// A store of some size.
    public struct Row: Sendable, Codable {
        /// Records of 4 KiB in it.
        public var chunks: Int
        /// Seconds to look up 20 keys, the median.
        public var lookupMedian: Double
        /// Seconds that 99 of 100 such lookups stay below.
        public var lookupP99: Double
        /// Seconds to open the store after it was closed.
        public var openSeconds: Double
        /// The same after its process was killed.
        public var openAfterCrashSeconds: Double
        /// Bytes of the catalog for each record.
        public var catalogBytesPerChunk: Double
        /// Seconds that putting the records took since the row before.
        public var fillSeconds: Double
    }

    /// What the bench found.
    public struct Report: Sendable, Codable {
        /// From the smallest store to the largest.
        public var results: [Row]
    }

    /// The sizes at which the store is looked at.
    public var sizes = [10_000, 100_000, 1_000_000]
    /// Lookups of 20 keys at each.
    public var lookups = 2000

    /// The bench of the README.
    public init() {}

    /// Fills a store in a folder of its own, which is deleted afterwards.
    public func run(in folder: URL, progress: (String) -> Void = { _ in }) throws -> Report {
        defer { try? FileManager.default.removeItem(at: folder) }
        var results: [Row] = []
        var count = 0
        for size in sizes {
            progress("filling up to \(size) chunks")
            var watch = Stopwatch()
            var store = try open(folder)
            while count < size {
                let next = min(size, count + 4096)
                try store.put((count..<next).map(record))
                count = next
            }
            let fill = watch.lap()
            store.close()
            let catalog = try FileManager.default.attributesOfItem(
                atPath: folder.appendingPathComponent("catalog.sqlite").path)
            let bytes = (catalog[.size] as? Int) ?? 0
            _ = watch.lap()
            store = try open(folder)
            let opened = watch.lap()
            try store.waitUntilIdle()
            let seconds = try lookupSeconds(store, among: count).sorted()
            try store.put(record(-1 - results.count))
            store.abandon()
            _ = watch.lap()
            store = try open(folder)
            let reopened = watch.lap()
            store.close()
            results.append(
                Row(
                    chunks: size, lookupMedian: seconds[seconds.count / 2],
                    lookupP99: seconds[seconds.count * 99 / 100], openSeconds: opened,
                    openAfterCrashSeconds: reopened, catalogBytesPerChunk: Double(bytes) / Double(size),
                    fillSeconds: fill))
        }
        return Report(results: results)
    }

    /// Seconds that each of many lookups of 20 keys takes.
    private func lookupSeconds(_ store: ChunkStore, among count: Int) throws -> [Double] {
        var generator = SplitMix64(seed: 5)
        return try (0..<lookups).map { _ in
            let wanted = (0..<20).map { _ in record(Int.random(in: 0..<count, using: &generator), layers: false) }
            var watch = Stopwatch()
            for record in wanted {
                let found = try store.lookup(record.key, fingerprint: record.fingerprint, tokens: record.tokens)
                guard found != nil else { throw TesseraError(.notFound, "a chunk that was stored isn't there") }
            }
            return watch.lap()
        }
    }

    private func open(_ folder: URL) throws -> ChunkStore {
        try ChunkStore(directory: folder, options: TesseraStore.StoreOptions(diskCap: 0))
    }

    private func record(_ number: Int) -> ChunkRecord { record(number, layers: true) }

    private func record(_ number: Int, layers: Bool) -> ChunkRecord {
        let layer = layers ? [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 2048) : []
        return ChunkRecord(
            kind: .chunk, fingerprint: Digest256(of: [1]), namespace: "bench",
            tokens: (0..<16).map { TokenID(truncatingIfNeeded: number &* 16 &+ $0) },
            layout: KVLayout(layers: 2, heads: 2, headDimension: 16), codec: "fp16", layers: [layer, layer])
    }
}
