// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraEviction
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

/// Keeps every third token, of chunks that have more than 8.
struct EveryThird: TokenThinning {
    let name = "every-third"
    let share = 1.0 / 3

    func count(of tokens: Int) -> Int? { tokens > 8 ? (tokens + 2) / 3 : nil }

    func kept(
        of tokens: Int, layout: KVLayout,
        layer: (Int) throws(TesseraError) -> (keys: [Float], values: [Float])
    ) throws(TesseraError) -> [Int]? {
        guard count(of: tokens) != nil else { return nil }
        for index in 0..<layout.layers {
            let (keys, values) = try layer(index)
            #expect(keys.count == tokens * layout.width && values.count == keys.count)
        }
        return Array(stride(from: 0, to: tokens, by: 3))
    }
}

@Suite struct `Chunks that have cooled` {
    private let tokens = 64
    private let form = ColdForm(.q4, thinning: EveryThird())

    /// A chunk as encoding every third of its tokens at once gives it.
    static func thinned(_ number: Int, tokens: Int, codec: StoreCodec) throws -> ChunkRecord {
        let whole = try Sample.numbers(number, tokens: tokens)
        let kept = Array(stride(from: 0, to: tokens, by: 3))
        let (layout, codec) = (whole.layout, codec.codec)
        let one = KVLayout(layers: 1, heads: layout.heads, headDimension: layout.headDimension)
        let buffer = try KVBuffer(layout: one, capacity: tokens)
        let rotary = RotaryTable(dimensions: layout.headDimension, base: 10_000, pairing: .halves)
        let angles = rotary.angles(at: repeatElement(0, count: tokens))
        let layers = try whole.layers.map { layer in
            try layer.withBytes { (bytes) throws(TesseraError) in
                try StoreCodec.fp16.codec.place(bytes, tokens: tokens, into: buffer, layer: 0, at: 0, angles: angles)
            }
            let (keys, values) = buffer.rows(0..<tokens, of: 0)
            func rows(_ all: [Float]) -> [Float] {
                kept.flatMap { all[$0 * layout.width..<($0 + 1) * layout.width] }
            }
            return try codec.encode(keys: rows(keys), values: rows(values), layout: layout)
        }
        return ChunkRecord(
            kind: .chunk, fingerprint: whole.fingerprint, namespace: "", tokens: whole.tokens, kept: kept,
            layout: layout, codec: codec.name, layers: layers)
    }

    // MARK: What may be asked for

    @Test(arguments: [StoreCodec.q8, .k8v4, .q4, .zipcache])
    func `the policy is told of a size that the codec really has`(codec: StoreCodec) throws {
        let layout = KVLayout(layers: 1, heads: 8, headDimension: 64)
        let terms = ColdForm(codec).terms(of: .fp16)
        let numbers = [Float](repeating: 0.5, count: 512 * layout.width)
        let bytes = try codec.codec.encode(keys: numbers, values: numbers, layout: layout).count
        #expect(abs(terms.size - Double(bytes) / Double(4 * numbers.count)) < 0.005)
        #expect((0.05...0.2).contains(terms.loss))
        let pressed = ColdForm(codec, thinning: EveryThird()).terms(of: .fp16)
        #expect(abs(pressed.size - terms.size / 3) < 1e-9 && pressed.loss > terms.loss && pressed.loss < 1)
    }

    @Test func `what would be no smaller, or made of a copy with losses, is refused by name`() {
        func refusal(_ form: ColdForm, of stored: StoreCodec) -> String? {
            do { try form.validate(of: stored) } catch { return error.code == .invalidInput ? error.message : "" }
            return nil
        }
        for codec in [StoreCodec.q8, .k8v4, .q4, .zipcache] { #expect(refusal(ColdForm(codec), of: .bf16) == nil) }
        #expect(refusal(ColdForm(nil, thinning: EveryThird()), of: .fp16) == nil)
        #expect(refusal(ColdForm(.fp16), of: .fp16)?.contains("fp16: it is not smaller than fp16") == true)
        for (codec, stored) in [(StoreCodec.bf16, StoreCodec.fp16), (.bf16Zstd, .fp16Zstd), (.fp16Zstd, .bf16)] {
            #expect(refusal(ColdForm(codec), of: stored)?.contains("rounded to another 16 bits") == true)
        }
        #expect(refusal(ColdForm(.q4), of: .q8)?.contains("store them as one of fp16") == true)
        #expect(refusal(ColdForm(nil), of: .fp16) != nil)
    }

    @Test func `is written in the other format of 16 bits by nobody, as that would round it twice`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let half = try Sample.numbers(1, tokens: 400)
            try store.put([half])
            for codec in [StoreCodec.bf16, .bf16Zstd] {
                let outcome = try store.recompress([half.key], as: ColdForm(codec))
                #expect(outcome.kept == 1 && outcome.rewritten == 0)
            }
            #expect(try store.recompress([half.key], as: ColdForm(.fp16Zstd)).lossy == 0)
            #expect(try store.recompress([half.key], as: ColdForm(.q4)).rewritten == 1)
        }
    }

    @Test func `is worth next to nothing of nearly no tokens`() {
        struct Share: TokenThinning {
            var name: String { "share" }
            var share: Double
            func count(of tokens: Int) -> Int? { nil }
            func kept(
                of tokens: Int, layout: KVLayout,
                layer: (Int) throws(TesseraError) -> (keys: [Float], values: [Float])
            ) throws(TesseraError) -> [Int]? { nil }
        }
        let losses = [1, 0.6, 0.3, 0.01].map { ColdForm(nil, thinning: Share(share: $0)).terms(of: .fp16).loss }
        #expect(losses[0] == 0 && losses[1] < 0.2 && losses[3] > 0.95)
        #expect(zip(losses, losses.dropFirst()).allSatisfy { $0 < $1 })
    }

    // MARK: The format

    @Test func `a header says which tokens a record has, and a whole one is as it was`() throws {
        var numbers = SplitMix64(seed: 1)
        for count in [2, 7, 8, 9, 64, 65, 600] {
            let tokens = (0..<count).map { TokenID($0) }
            let kept = tokens.indices.filter { _ in Bool.random(using: &numbers) }
            let isList = !kept.isEmpty && kept.count < count
            let record = ChunkRecord(
                kind: .chunk, fingerprint: Sample.fingerprint, namespace: "n", tokens: tokens,
                kept: isList ? kept : nil,
                layout: Sample.layout, codec: "fp16", layers: [[1], [2], [3]])
            let header = RecordHeader(of: record, place: RecordPlace(segment: 1, offset: 0), created: 5)
            let bytes = header.encoded(for: record.key)
            #expect(bytes[4] == (isList ? 4 : 3))
            let read = try bytes.withBytes { (bytes) throws(TesseraError) in
                try RecordHeader(bytes, for: record.key)
            }
            #expect(read == header && read.kept == record.kept && read.rows == (isList ? kept.count : count))
        }
    }

    @Test func `a list of kept tokens that no writer makes is damage`() throws {
        let record = try Self.thinned(1, tokens: 13, codec: .fp16)
        let header = RecordHeader(of: record, place: RecordPlace(segment: 1, offset: 0), created: 5)
        let bytes = Array(header.encoded(for: record.key).dropLast(8))
        let seed = record.key.digest.bytes.withUnsafeBytes { checksum($0) }
        let layers = 12 * header.layers.count
        let list = bytes.count - layers - 2..<bytes.count - layers
        #expect(Array(bytes[list]) == [0b0100_1001, 0b0001_0010])
        func code(_ change: (inout [UInt8]) -> Void) -> TesseraError.Code? {
            var body = bytes
            change(&body)
            return TesseraStoreTests.code {
                _ = try ByteWriter(body).sealed(seed: seed).withBytes { (bytes) throws(TesseraError) in
                    try RecordHeader(bytes, for: record.key)
                }
            }
        }
        #expect(code { _ in } == nil)
        #expect(code { $0.replaceSubrange(list, with: [0, 0]) } == .corrupt, "none")
        #expect(code { $0.replaceSubrange(list, with: [0xFF, 0x1F]) } == .corrupt, "all, which needs no list")
        #expect(code { $0.replaceSubrange(list, with: [1, 0x20]) } == .corrupt, "one beyond the tokens")
        #expect(code { $0.replaceSubrange(list, with: [1]) } == .corrupt, "too short")
        #expect(code { $0[7] = 2 } == .corrupt, "a variant")
        #expect(code { ($0[6], $0[7]) = (1, 1) } == .corrupt, "a prefix")
        #expect(code { $0[4] = 3 } == .corrupt, "a version without lists")
    }

    @Test func `a record that lacks tokens and contradicts itself is not put`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let whole = try Sample.numbers(1, tokens: 9)
            func put(_ kept: [Int], kind: RecordKind = .chunk) -> TesseraError.Code? {
                code {
                    try store.put(
                        ChunkRecord(
                            kind: kind, fingerprint: whole.fingerprint, namespace: "", tokens: whole.tokens, kept: kept,
                            layout: whole.layout, codec: "fp16", layers: whole.layers))
                }
            }
            for kept in [[], [1, 1], [2, 1], [-1, 3], [3, 9], Array(0..<9)] { #expect(put(kept) == .invalidInput) }
            #expect(put([0, 2], kind: .prefix) == .invalidInput)
            #expect(put([0, 2]) == nil)
        }
    }

    // MARK: What becomes of chunks

    @Test func `a chunk is written anew without the tokens that are left out, under its own key`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let records = try (0..<3).map { try Sample.numbers($0, tokens: tokens) }
            let short = try Sample.numbers(7, tokens: 8)
            try store.put(records + [short])
            let outcome = try store.recompress((records + [short]).map(\.key), as: form)
            #expect(outcome.rewritten + outcome.kept == 4 && outcome.rewritten >= 3 && outcome.saved > 0)
            for round in 0..<3 {
                for number in records.indices {
                    let expected = try Self.thinned(number, tokens: tokens, codec: .q4)
                    let chunk = try #require(try store.lookup(records[number]))
                    #expect(chunk.kept == expected.kept && chunk.rows == 22 && chunk.tokens == records[number].tokens)
                    #expect(chunk.codec == "q4")
                    // From the disk, on its way to memory, and from memory.
                    if round != 1 { #expect(try store.layers(of: records[number]) == expected.layers) }
                }
            }
            let entries = try store.entries()
            #expect(entries.compactMap(\.kept).sorted() == [22, 22, 22])
            #expect(try store.verify(readsLayers: true).problems.isEmpty)
            store.close()
            let again = try ChunkStore(in: folder)
            #expect(try again.rebuildCatalog() == 4)
            #expect(try again.entries().compactMap(\.kept) == [22, 22, 22])
            #expect(try again.layers(of: records[2]) == Self.thinned(2, tokens: tokens, codec: .q4).layers)
            // It is there: what puts it again leaves it as it is, like any other chunk with losses.
            #expect(try again.put(records[2]) == .alreadyThere)
        }
    }

    @Test func `the codec may stay, and a compressed one is unpacked for memory`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = try Sample.numbers(1, tokens: 400, codec: .fp16Zstd)
            try store.put(record)
            #expect(try store.recompress([record.key], as: ColdForm(nil, thinning: EveryThird())).rewritten == 1)
            let expected = try Self.thinned(1, tokens: 400, codec: .fp16Zstd)
            let chunk = try #require(try store.lookup(record))
            let first = try #require(try store.load(chunk))
            #expect(first.codec == "fp16-zstd" && first.withLayer(1) { [UInt8]($0) } == expected.layers[1])
            let hot = try #require(try store.load(chunk))
            #expect(hot.codec == "fp16")
            #expect(hot.withLayer(1) { [UInt8]($0) } == (try Self.thinned(1, tokens: 400, codec: .fp16)).layers[1])
        }
    }

    @Test func `one that lacks tokens, or has losses, is never written anew`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let lossless = ColdForm(nil, thinning: EveryThird())
            let (thin, lossy) = (try Sample.numbers(1, tokens: 400), try Sample.numbers(2, tokens: 400, codec: .q8))
            try store.put([thin, lossy])
            #expect(try store.recompress([thin.key], as: lossless).rewritten == 1)
            let before = try [thin, lossy].map { try store.layers(of: $0) }
            for codec in StoreCodec.allCases {
                let plain = try store.recompress([thin.key, lossy.key], as: ColdForm(codec))
                #expect(plain.rewritten == 0 && plain.lossy == (codec == .q8 ? 1 : 2))
            }
            let again = try store.recompress([thin.key, lossy.key], as: lossless)
            #expect(again.unchanged == 0 && again.lossy == 2 && again.rewritten == 0)
            #expect(try store.recompress([lossy.key], as: form).lossy == 1)
            // Nor is it when room is needed, and the policy knows it.
            for key in [thin.key, lossy.key] {
                let saved = try store.writing { (session, ledger) throws(TesseraError) in
                    try store.rewrite(key, as: form, session, &ledger)
                }
                #expect(saved == nil)
            }
            let options = EvictionOptions(demotion: form)
            func canDemote(_ codec: String, _ tokens: Int, isWhole: Bool, _ provenance: Provenance = .isolated) -> Bool
            {
                options.canDemote(provenance, codec: codec, tokens: tokens, isWhole: isWhole, byteCount: 1 << 20)
            }
            #expect(canDemote("fp16", 400, isWhole: true) && canDemote("bf16-zstd", 8, isWhole: true))
            #expect(!canDemote("fp16", 400, isWhole: false) && !canDemote("q8", 400, isWhole: true))
            #expect(
                !canDemote("fp16", 400, isWhole: true, .prefix) && !canDemote("fp16", 400, isWhole: true, .contextual))
            #expect(
                !EvictionOptions(demotion: lossless).canDemote(
                    .isolated, codec: "fp16", tokens: 8, isWhole: true, byteCount: 1 << 20), "too short to lose any")
            #expect(try [thin, lossy].map { try store.layers(of: $0) } == before)
        }
    }

    @Test func `the smaller cold chunks are, the more of them stay under the cap`() throws {
        var found: [String: Int] = [:]
        for (name, form) in [("none", nil), ("q8", ColdForm(.q8)), ("q4", ColdForm(.q4)), ("both", form)] {
            try withTemporaryDirectory { folder in
                let cap = 8 << 20
                let store = try ChunkStore(in: folder, diskCap: cap, eviction: EvictionOptions(demotion: form))
                let records = try (0..<100).map { try Sample.numbers($0, tokens: 400) }
                for record in records {
                    try store.put(record)
                    #expect(try store.diskUsage() <= cap)
                }
                found[name] = try records.count { try store.lookup($0) != nil }
                #expect(try store.verify(readsLayers: true).problems.isEmpty)
                // What was demoted is told from what can still be, also by a policy that begins anew.
                store.close()
                let again = try ChunkStore(in: folder, eviction: EvictionOptions(demotion: form))
                for number in 200..<210 { try again.put(try Sample.numbers(number, tokens: 400)) }
                #expect(try again.diskUsage() <= cap)
                #expect(try again.verify(readsLayers: true).problems.isEmpty)
            }
        }
        let counts = ["none", "q8", "q4", "both"].map { found[$0] ?? 0 }
        #expect(zip(counts, counts.dropFirst()).allSatisfy { $0 < $1 }, "\(counts)")
    }

    @Test func `a damaged chunk is no chunk to make another of`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = try Sample.numbers(1, tokens: 400)
            try store.put(record)
            let chunk = try #require(try store.lookup(record))
            let files = try FileManager.default.contentsOfDirectory(
                at: folder.appending(path: "store/layers"), includingPropertiesForKeys: nil)
            let handle = try FileHandle(forUpdating: try #require(files.first))
            try handle.seek(toOffset: chunk.place.offset + 99)
            try handle.write(contentsOf: [0xAA, 0x55, 0xAA])
            try handle.close()
            #expect(try store.recompress([record.key], as: form).kept == 1)
            #expect(try store.lookup(record)?.kept == nil)
        }
    }

    @Test func `one that lacks tokens is exported and taken in, and a wrong list is refused`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let record = try Sample.numbers(1, tokens: tokens)
            try store.put(record)
            #expect(try store.recompress([record.key], as: ColdForm(.q4, thinning: EveryThird())).rewritten == 1)
            let file = try #require(try store.export(record.key, to: folder))
            let before = try store.contentDigest()
            let sound = try Data(contentsOf: file)
            try store.remove([record.key])
            let list = "[" + stride(from: 0, to: tokens, by: 3).map(String.init).joined(separator: ",") + "]"
            for wrong in [
                list.replacingOccurrences(of: "[0,3,", with: "[3,0,"),
                list.replacingOccurrences(of: "63]", with: "64]"),
                list.replacingOccurrences(of: "[0,3,", with: "[3,3,"),
                list.replacingOccurrences(of: "[0,", with: "[x,"),
            ] {
                #expect(wrong.count == list.count)
                try Data(replacing(list, wrong, in: sound)).write(to: file)
                #expect(code { _ = try store.importChunk(file) } == .corrupt, "\(wrong)")
            }
            try sound.write(to: file)
            #expect(try store.importChunk(file).key == record.key)
            #expect(try store.contentDigest() == before)
            #expect(try store.lookup(record)?.kept?.count == 22)
        }
    }

    private func replacing(_ text: String, _ other: String, in data: Data) -> Data {
        guard let range = data.range(of: Data(text.utf8)) else { return data }
        return data.replacingCharacters(range, other)
    }
}

extension Data {
    fileprivate func replacingCharacters(_ range: Range<Int>, _ text: String) -> Data {
        var changed = self
        changed.replaceSubrange(range, with: Data(text.utf8))
        return changed
    }
}

/// Processes that are killed while chunks are written anew: each chunk is there in one form or the other.
@Suite(.serialized) struct `A killed recompression` {
    @Test(arguments: 0..<6) func `leaves every chunk whole, in one form or the other`(round: Int) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let records = try (0..<24).map { try Sample.numbers($0, tokens: 400) }
        try {
            let store = try ChunkStore(in: folder)
            try store.put(records)
            store.close()
        }()
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = folder.path as String, round = round as Int] in
            let store = try ChunkStore(in: URL(fileURLWithPath: path))
            Thread.detachNewThread {
                usleep(UInt32(2_000 + 15_000 * round))
                kill(getpid(), SIGKILL)
            }
            _ = try store.recompress(store.allKeys(), as: ColdForm(.q4, thinning: EveryThird()))
            // Done before its time came.
            kill(getpid(), SIGKILL)
        }
        let store = try ChunkStore(in: folder)
        #expect(try store.verify(readsLayers: true).problems.isEmpty)
        for (number, record) in records.enumerated() {
            let chunk = try #require(try store.lookup(record))
            let expected =
                chunk.kept == nil ? record : try `Chunks that have cooled`.thinned(number, tokens: 400, codec: .q4)
            #expect(try store.layers(of: record) == expected.layers)
        }
        #expect(try store.statistics().damaged == 0)
    }
}
