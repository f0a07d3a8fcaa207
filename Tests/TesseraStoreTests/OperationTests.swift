// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct OperationTests {
    private let records =
        (0..<4).map { Sample.record($0, layerBytes: 3000) } + [
            Sample.variant(1, behind: [2]), Sample.record(7, kind: .prefix),
        ]

    private func filled(_ folder: URL, _ records: [ChunkRecord]? = nil) throws -> ChunkStore {
        let store = try ChunkStore(in: folder)
        try store.put(records ?? self.records)
        return store
    }

    // MARK: Listing and pinning

    @Test func `a list has what the filter asks for, in the order asked for`() throws {
        try withTemporaryDirectory { folder in
            let store = try filled(folder)
            try store.put(Sample.record(50, namespace: "other", fingerprint: Digest256(of: [9]), layerBytes: 9000))
            _ = try store.lookup(records[2])
            _ = try store.lookup(records[2])
            #expect(try store.entries().count == 7)
            #expect(try store.entries(order: .uses, limit: 1).first?.key == records[2].key)
            #expect(try store.entries(order: .size, limit: 1).first?.namespace == "other")
            var filter = EntryFilter()
            filter.namespace = ""
            filter.provenance = .contextual
            #expect(try store.entries(filter).map(\.key) == [records[4].key])
            filter = EntryFilter()
            filter.otherThan = [Sample.fingerprint]
            #expect(try store.entries(filter).map(\.namespace) == ["other"])
            filter = EntryFilter()
            filter.unusedSince = .max
            #expect(try store.entries(filter).count == 7)
            filter.unusedSince = 0
            #expect(try store.entries(filter).isEmpty)
        }
    }

    @Test func `a key is found by the digits that it begins with`() throws {
        try withTemporaryDirectory { folder in
            let store = try filled(folder)
            let key = records[0].key
            for count in [6, 7, 64] {
                #expect(try store.keys(beginningWith: String(key.description.prefix(count))) == [key])
            }
            #expect(try store.keys(beginningWith: "", limit: 3).count == 3)
            #expect(try store.keys(beginningWith: "xyz").isEmpty)
        }
    }

    @Test func `a pinned record stays under a cap, through opening again and a new catalog, until it is unpinned`()
        throws
    {
        try withTemporaryDirectory { folder in
            var store = try ChunkStore(in: folder, diskCap: 8 << 20)
            let first = (0..<2).map { Sample.record($0, layerBytes: 300_000) }
            try store.put(first)
            try store.pin([first[0].key])
            #expect(code { try store.pin([Sample.record(99).key]) } == .notFound)
            store.close()
            try FileManager.default.removeItem(at: folder.appending(path: "store/catalog.sqlite"))
            store = try ChunkStore(in: folder)
            for number in 10..<30 { try store.put(Sample.record(number, layerBytes: 300_000)) }
            #expect(try store.contains(first.map(\.key)) == [true, false])
            #expect(try store.entries().count { $0.isPinned } == 1)
            try store.unpin([first[0].key])
            for number in 30..<50 { try store.put(Sample.record(number, layerBytes: 300_000)) }
            #expect(try store.contains([first[0].key]) == [false])
            // A pin goes with its record.
            try store.pin([Sample.record(49).key])
            try store.remove([Sample.record(49).key])
            try store.put(Sample.record(49))
            #expect(try store.entries().count { $0.isPinned } == 0)
        }
    }

    @Test func `where everything is pinned there is no room, and nothing is lost`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, diskCap: 6 << 20)
            let pinned = (0..<3).map { Sample.record($0, layerBytes: 400_000) }
            try store.put(pinned)
            try store.pin(pinned.map(\.key))
            #expect(code { try store.put((10..<13).map { Sample.record($0, layerBytes: 400_000) }) } == .full)
            for record in pinned { #expect(try store.layers(of: record) == record.layers) }
        }
    }

    // MARK: Verification, repair, compaction

    @Test func `a sound store has no problems`() throws {
        try withTemporaryDirectory { folder in
            let store = try filled(folder)
            try store.remove([records[0].key])
            let found = try store.verify()
            #expect(found.problems == [] && found.records == 5 && found.byteCount > 5 * 300)
            #expect(try store.verify(readsLayers: false).problems == [])
        }
    }

    /// Damages everything that verification knows, and expects each to be named and nothing to be changed.
    @Test func `verification names what is wrong and changes nothing, repair mends it`() throws {
        try withTemporaryDirectory { folder in
            try filled(folder).close()
            try withDatabase(of: folder) { database, directory in
                try damage(database, SegmentFiles(path: directory.layers))
            }

            let damaged = try ChunkStore(in: folder)
            for _ in 0..<2 {
                let found = try damaged.verify()
                #expect(Set(found.problems.map(\.kind)) == [.layers, .header, .variant, .segment])
                #expect(found.problems.contains { $0.text.contains(records[0].key.description) })
            }
            #expect(try damaged.statistics().damaged == 0)
            damaged.close()

            let options = StoreOptions(freeDiskFloor: 0)
            let repair = try ChunkStore.repair(directory: folder.appending(path: "store"), options: options)
            #expect(repair.removed == 3 && repair.records == 3 && !repair.remadeDatabase)
            let sound = try ChunkStore(in: folder)
            #expect(try sound.verify().problems == [])
            for record in [records[2], records[3], records[5]] {
                #expect(try sound.layers(of: record) == record.layers)
            }
            #expect(try sound.put(records[0]) == .stored)
            #expect(try sound.verify().problems == [])
        }
    }

    /// A layer of record 0, the header of record 1, what the variant stands behind, small records of none, and the books.
    private func damage(_ database: RocksDatabase, _ files: SegmentFiles) throws {
        let header = try #require(
            try database.withValue(StoreKey.header(records[0].key)) { (bytes) throws(TesseraError) in
                try RecordHeader(bytes, for: records[0].key)
            })
        let file = URL(fileURLWithPath: files.file(header.place.segment))
        var bytes = try Data(contentsOf: file)
        bytes[Int(header.place.offset) + 3500] ^= 1
        try bytes.write(to: file)
        let batch = database.batch()
        batch.put(StoreKey.header(records[1].key), [1, 2, 3])
        batch.delete(StoreKey.variant(records[4].key, of: records[4].chunk))
        batch.put(
            StoreKey.variant(records[0].key, of: records[2].key),
            VariantRecord(behind: [records[3].key], statistics: []).encoded(for: records[0].key, of: records[2].key)
        )
        batch.put(StoreKey.variant(Sample.record(77).key, of: records[2].key), [1])
        batch.put(
            StoreKey.segment(header.place.segment),
            Segment(number: header.place.segment, byteCount: bytes.count, liveRecords: 77, liveBytes: 5).encoded)
        try database.write(batch)
    }

    /// Each file of RocksDB is damaged in the middle, cut short or deleted: repairing gives a store that is sound, with
    /// what could be kept.
    @Test(arguments: ["MANIFEST", "CURRENT", ".log", ".sst", "all"], ["flip", "cut", "delete"])
    func `a store whose database is damaged is repaired`(which: String, how: String) throws {
        try withTemporaryDirectory { folder in
            let store = try filled(folder)
            try store.session().database.compact()
            try store.put((20..<24).map { Sample.record($0) })
            store.close()
            let database = folder.appending(path: "store/rocksdb")
            for name in try FileManager.default.contentsOfDirectory(atPath: database.path) {
                guard which == "all" ? name.contains(".sst") || name.contains(".log") : name.contains(which) else {
                    continue
                }
                let file = database.appending(path: name)
                var bytes = try Data(contentsOf: file)
                switch how {
                case "flip":
                    for place in stride(from: bytes.count / 3, to: bytes.count, by: 97) { bytes[place] ^= 0x55 }
                case "cut": bytes = bytes.prefix(bytes.count / 2)
                default: break
                }
                if how == "delete" { try FileManager.default.removeItem(at: file) } else { try bytes.write(to: file) }
            }
            // Opening is an error that names the way out, or works.
            do {
                let opened = try ChunkStore(in: folder)
                for record in records {
                    let layers = try opened.layers(of: record)
                    #expect(layers == nil || layers == record.layers)
                }
                opened.close()
            } catch let error as TesseraError {
                #expect([.corrupt, .io].contains(error.code), "\(error)")
            }
            _ = try ChunkStore.repair(
                directory: folder.appending(path: "store"), options: StoreOptions(freeDiskFloor: 0))
            let repaired = try ChunkStore(in: folder)
            #expect(try repaired.verify().problems == [])
            for record in records {
                let layers = try repaired.layers(of: record)
                #expect(layers == nil || layers == record.layers)
            }
            // A manifest that was cut short is one of an earlier time, when the table wasn't there yet.
            if which != "all" && which != ".sst" && (which, how) != ("MANIFEST", "cut") {
                #expect(try repaired.contains([records[0].key]) == [true], "what lay in a sound table is kept")
            }
            _ = try repaired.put(records)
            for record in records { #expect(try repaired.layers(of: record) == record.layers) }
        }
    }

    @Test func `compacting gives back what damaged records took`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let large = (0..<4).map { Sample.record($0, layerBytes: 200_000) }
            try store.put(large)
            let session = try store.session()
            let header = try #require(try session.header(large[1].key))
            let handle = try FileHandle(
                forWritingTo: URL(fileURLWithPath: session.files.file(header.place.segment)))
            try handle.seek(toOffset: header.place.offset)
            try handle.write(contentsOf: Data([large[1].layers[0][0] ^ 1]))
            try handle.close()
            #expect(try store.layers(of: large[1]) == nil)
            let usage = try store.compact()
            #expect(usage.after < usage.before - 500_000)
            for record in [large[0], large[2], large[3]] { #expect(try store.layers(of: record) == record.layers) }
            #expect(try store.verify().problems == [])
        }
    }

    // MARK: Digest, export, import

    @Test func `stores of the same content have the same digest, whatever their history`() throws {
        try withTemporaryDirectory { one in
            try withTemporaryDirectory { two in
                let first = try filled(one)
                let second = try filled(two, records.reversed())
                try second.put(Sample.record(99))
                #expect(try first.contentDigest().digest != second.contentDigest().digest)
                try second.remove([Sample.record(99).key])
                #expect(try first.contentDigest() == second.contentDigest())
                #expect(try first.contentDigest(namespace: "none").records == 0)
            }
        }
    }

    /// Layers that a codec can read: what is taken in must be one.
    private func readable(_ number: Int, codec: StoreCodec, behind: [ChunkKey] = []) throws -> ChunkRecord {
        var numbers = SplitMix64(seed: UInt64(number))
        let layout = KVLayout(layers: 2, heads: 2, headDimension: 8)
        let tokens = (0..<13).map { TokenID(number * 50 + $0) }
        let layers = try (0..<2).map { _ in
            let values = (0..<2 * tokens.count * layout.width).map { _ in Float.random(in: -3...3, using: &numbers) }
            return try codec.codec.encode(
                keys: Array(values.prefix(values.count / 2)), values: Array(values.suffix(values.count / 2)),
                layout: layout)
        }
        if behind.isEmpty {
            return ChunkRecord(
                kind: .chunk, fingerprint: Sample.fingerprint, namespace: "n\"ä", tokens: tokens, layout: layout,
                codec: codec.rawValue, layers: layers)
        }
        return ChunkRecord(
            behind: behind, statistics: [1, 2, 255], fingerprint: Sample.fingerprint, namespace: "n\"ä",
            tokens: tokens, layout: layout, codec: codec.rawValue, layers: layers)
    }

    @Test(arguments: StoreCodec.allCases) func `a record is exported and taken in by another store`(codec: StoreCodec)
        throws
    {
        try withTemporaryDirectory { folder in
            let plain = try readable(1, codec: codec)
            let variant = try readable(1, codec: codec, behind: [readable(2, codec: codec).key])
            let store = try filled(folder, [plain, variant])
            let files = try [plain, variant].compactMap { try store.export($0.key, to: folder) }
            #expect(files.count == 2)
            try withTemporaryDirectory { other in
                let second = try ChunkStore(in: other)
                for (file, record) in zip(files, [plain, variant]) {
                    let taken = try second.importChunk(file)
                    #expect(taken.key == record.key && taken.outcome == .stored)
                    #expect(try second.importChunk(file).outcome == .alreadyThere)
                    let chunk = try #require(try second.lookup(record))
                    #expect(chunk.codec == (codec.codec.unpackedCodec?.name ?? codec.rawValue))
                    if codec.codec.unpackedCodec == nil { #expect(try second.layers(of: record) == record.layers) }
                }
                #expect(try second.variants(variant).map(\.statistics) == [[1, 2, 255]])
            }
        }
    }

    @Test func `a file that is no chunk is refused, whatever is wrong with it`() throws {
        try withTemporaryDirectory { folder in
            let record = try readable(1, codec: .fp16)
            let store = try filled(folder, [record])
            let file = try #require(try store.export(record.key, to: folder))
            let sound = try Data(contentsOf: file)
            try store.remove([record.key])
            func code(_ data: Data) -> TesseraError.Code? {
                TesseraStoreTests.code {
                    try data.write(to: file)
                    _ = try store.importChunk(file)
                }
            }
            func replacing(_ a: String, _ b: String) -> Data {
                var data = sound
                if let place = data.range(of: Data(a.utf8)) { data.replaceSubrange(place, with: Data(b.utf8)) }
                return data
            }
            #expect(code(Data()) == .corrupt)
            #expect(code(sound.prefix(100)) == .corrupt)
            #expect(code(sound + [0]) == .corrupt)
            #expect(code(Data(repeating: 0xFF, count: 64)) == .corrupt)
            #expect(code(replacing("tessera-chunk-1", "tessera-chunk-2")) == .corrupt)
            #expect(code(replacing("\"fp16\"", "\"fp17\"")) == .unsupported)
            #expect(code(replacing("[50,51", "[50,52")) == .corrupt, "the key is of the tokens")
            #expect(code(replacing("\"F16\"", "\"I16\"")) == .corrupt)
            #expect(code(replacing("isolated", "isolater")) == .corrupt)
            var infinite = sound
            infinite[infinite.count - 1] = 0x7C
            infinite[infinite.count - 2] = 0
            #expect(code(infinite) == .corrupt)
            #expect(try store.statistics().records == 0)
            #expect(code(sound) == nil)
            #expect(try store.layers(of: record) == record.layers)
        }
    }

    /// 20,000 files with some bytes changed, cut or added: refused, or the record that the file says.
    @Test func `a damaged file is refused or harmless`() throws {
        try withTemporaryDirectory { folder in
            let record = try readable(1, codec: .fp16)
            let store = try filled(folder, [record])
            let sound = try Data(contentsOf: try #require(try store.export(record.key, to: folder)))
            var numbers = SplitMix64(seed: 4)
            var refused = 0
            for _ in 0..<20_000 {
                var changed = sound
                for _ in 0..<Int.random(in: 1...3, using: &numbers) {
                    // Mostly the header, where structure is.
                    let place = Int.random(in: 0..<min(1400, changed.count), using: &numbers)
                    switch Int.random(in: 0..<4, using: &numbers) {
                    case 0: changed[place] ^= 1 << UInt8.random(in: 0..<8, using: &numbers)
                    case 1: changed[place] = UInt8(ascii: "9")
                    case 2: changed.remove(at: place)
                    default: changed.insert(UInt8.random(in: 32..<127, using: &numbers), at: place)
                    }
                }
                do {
                    let read = try ChunkFile.record(changed)
                    #expect(read.key == record.key)
                } catch {
                    refused += 1
                }
            }
            #expect(refused > 15_000)
        }
    }
}
