// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Tessera
internal import TesseraKV
internal import TesseraStore

/// A store of chunks at one shape, and what is measured on it.
final class StoreWork {
    private let folder: URL
    private let layout: KVLayout
    private let tokens: Int
    private let count: Int
    private let layers: [[UInt8]]
    private let store: ChunkStore
    private let plain: PlainFile
    private let request: RequestMemory
    private var generation: TokenID = 0

    private var layerBytes: Int { layers[0].count }
    private var byteCount: Int { count * layers.count * layerBytes }

    init(layout: KVLayout, tokens: Int, byteCount: Int, folder: URL) throws {
        (self.layout, self.tokens, self.folder) = (layout, tokens, folder)
        var generator = SplitMix64(seed: 3)
        layers = try (0..<layout.layers).map { _ in
            let numbers = (0..<2 * tokens * layout.width).map { _ in Float.random(in: -4...4, using: &generator) }
            let half = numbers.count / 2
            return try HalfCodec(.fp16).encode(
                keys: Array(numbers[..<half]), values: Array(numbers[half...]), layout: layout)
        }
        count = max(1, byteCount / (layers.count * layers[0].count))
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // The least memory: what is measured comes from the disk or the page cache, save where it says otherwise.
        store = try ChunkStore(
            directory: folder.appendingPathComponent("store"),
            options: TesseraStore.StoreOptions(diskCap: 0, ramCap: TesseraStore.StoreOptions.leastRAMCap))
        plain = try PlainFile(folder.appendingPathComponent("plain").path, piece: layers[0].count)
        request = try RequestMemory(layout: layout, tokens: tokens, chunks: min(count, 4))
    }

    /// Everything once: publish first, as it fills the store, then what reads it.
    func round() throws -> [StoreBench.Sample] {
        let records = (0..<count).map { record($0) }
        let publish = try sample("publish", "write(2) of 1 MiB pieces and fdatasync", goal: 0.5, of: byteCount) {
            for start in stride(from: 0, to: records.count, by: batch) {
                try store.put(Array(records[start..<min(records.count, start + batch)]))
            }
        } reference: {
            try plain.write(layers, times: count)
        }
        let chunks = try records.map { record in
            guard let chunk = try store.lookup(record.key, fingerprint: record.fingerprint, tokens: record.tokens)
            else { throw TesseraError(.notFound, "a chunk that was just stored isn't there") }
            return chunk
        }
        _ = try fetch(chunks)
        let cached = try sample("fetch from page cache", "read(2) into a warm buffer", goal: 0.6, of: byteCount) {
            try fetch(chunks)
        } reference: {
            try plain.read()
        }
        let cold = try sample("fetch cold", "O_DIRECT reads of the same sizes", goal: 0.8, of: byteCount) {
            try fetch(chunks)
        } reference: {
            try plain.readDirectly()
        } before: {
            try dropPages()
        }
        _ = try fetchBuffered(chunks)
        let placed = Array(chunks.prefix(request.chunks))
        let held = try placed.compactMap { try store.load($0) }
        let output = request.byteCount
        let fromRAM = try sample("place from RAM", "memcpy of the request's bytes", goal: 0.6, of: output) {
            for (index, chunk) in held.enumerated() {
                for layer in layers.indices {
                    try chunk.withLayer(layer) { (bytes) throws(TesseraError) in
                        try request.place(bytes, layer: layer, chunk: index)
                    }
                }
            }
        } reference: {
            request.copy()
        }
        let fromCache = try sample("place from page cache", "memcpy of the request's bytes", goal: 0.6, of: output) {
            for (index, chunk) in placed.enumerated() {
                let streamed = try self.streamed(chunk)
                for layer in layers.indices {
                    try streamed.withLayer(layer) { (bytes) throws(TesseraError) in
                        try request.place(bytes, layer: layer, chunk: index)
                    }
                }
            }
        } reference: {
            request.copy()
        }
        try store.remove(records.map(\.key))
        generation += 1
        return [publish, cached, cold, fromRAM, fromCache]
    }

    /// Deletes what was written.
    func finish() throws {
        store.close()
        try FileManager.default.removeItem(at: folder)
    }

    /// Records of 32 MiB go to the store at once, as warm-up hands them over.
    private var batch: Int { max(1, (32 << 20) / (layers.count * layerBytes)) }

    private func record(_ number: Int) -> ChunkRecord {
        let ids = (0..<TokenID(tokens)).map { generation << 20 | TokenID(number) << 10 | $0 & 1023 }
        return ChunkRecord(
            kind: .chunk, fingerprint: Digest256(of: [1]), namespace: "bench", tokens: ids, layout: layout,
            codec: HalfCodec(.fp16).name, layers: layers)
    }

    /// The verified bytes of every layer, one after the other.
    private func fetch(_ chunks: [StoredChunk]) throws {
        for chunk in chunks {
            let streamed = try streamed(chunk)
            for layer in layers.indices { try streamed.withLayer(layer) { (_) throws(TesseraError) in } }
        }
    }

    private func streamed(_ chunk: StoredChunk) throws -> StreamedChunk {
        guard let streamed = try store.stream(chunk) else {
            throw TesseraError(.notFound, "a chunk that was just stored can't be read")
        }
        return streamed
    }

    /// Brings the store's files into the page cache, which reads past it don't.
    private func fetchBuffered(_ chunks: [StoredChunk]) throws {
        for file in try segments() { _ = try Data(contentsOf: file, options: []) }
    }

    private func dropPages() throws {
        for file in try segments() { try PlainFile.dropPages(of: file.path) }
        try plain.dropPages()
    }

    private func segments() throws -> [URL] {
        try FileManager.default.contentsOfDirectory(
            at: folder.appendingPathComponent("store/layers"), includingPropertiesForKeys: nil)
    }

    private func sample(
        _ name: String, _ against: String, goal: Double, of bytes: Int, _ subject: () throws -> Void,
        reference: () throws -> Void, before: () throws -> Void = {}
    ) throws -> StoreBench.Sample {
        // Whoever comes first finds another disk than who comes second; they take turns.
        func measured(_ body: () throws -> Void) throws -> Double {
            try before()
            return try ContinuousClock().measure(body).seconds
        }
        let isFirst = generation % 2 == 0
        let early = try measured(isFirst ? subject : reference)
        let late = try measured(isFirst ? reference : subject)
        let (ours, theirs) = isFirst ? (early, late) : (late, early)
        return StoreBench.Sample(
            name: name, rate: Double(bytes) / ours / 1e9, reference: Double(bytes) / theirs / 1e9, against: against,
            goal: goal)
    }
}
