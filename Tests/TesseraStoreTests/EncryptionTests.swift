// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct EncryptionTests {
    private let key: EncryptionKey
    private let other: EncryptionKey
    private let records = (0..<3).map { Sample.record($0, layerBytes: 40_000) } + [Sample.variant(1, behind: [2])]

    init() throws {
        key = try #require(EncryptionKey([UInt8](0..<32)))
        other = try #require(EncryptionKey([UInt8](1..<33)))
    }

    @Test func `records come back bit for bit, from the disk, from memory and after opening again`() throws {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder, key: key)
            try first.put(records)
            try first.setAsset("gate", [1, 2, 3])
            for record in records + records { #expect(try first.layers(of: record) == record.layers) }
            first.close()
            let second = try ChunkStore(in: folder, key: key)
            for record in records { #expect(try second.layers(of: record) == record.layers) }
            let found = try #require(try second.lookup(records[0]))
            let streamed = try #require(try second.stream(found))
            #expect(try streamed.withLayer(2) { [UInt8]($0) } == records[0].layers[2])
            #expect(try second.variants(records[1]).map(\.behind) == [records[3].behind])
            #expect(try second.asset("gate") == [1, 2, 3])
            #expect(try second.statistics().damaged == 0)
        }
    }

    @Test func `neither tokens nor layers lie in the folder in the clear`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, key: key)
            try store.put(records)
            store.close()
            var all = Data()
            let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
            for case let file as URL in files where !file.hasDirectoryPath { all += try Data(contentsOf: file) }
            #expect(all.count > 300_000)
            // The least ids of all, in a row, are page numbers of SQLite's shared memory too.
            for record in records where record.tokens[0] > 0 {
                let tokens = record.tokens.prefix(4).flatMap { token in
                    withUnsafeBytes(of: token.littleEndian) { [UInt8]($0) }
                }
                #expect(all.range(of: Data(tokens)) == nil)
                for layer in record.layers { #expect(all.range(of: Data(layer[20..<52])) == nil) }
            }
            // What the catalog may know is there.
            #expect(all.range(of: Data(records[0].key.digest.bytes)) != nil)
        }
    }

    @Test func `a wrong key, a missing one and one too many are errors, not misses`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, key: key)
            try store.put(records)
            store.close()
            let wrong = #expect(throws: TesseraError.self) { try ChunkStore(in: folder, key: other) }
            #expect(wrong?.code == .invalidInput && wrong?.message.contains("not the one") == true)
            let missing = #expect(throws: TesseraError.self) { try ChunkStore(in: folder) }
            #expect(missing?.code == .invalidInput && missing?.message.contains("--encrypt-key-file") == true)
            let again = try ChunkStore(in: folder, key: key)
            for record in records { #expect(try again.layers(of: record) == record.layers) }
        }
        try withTemporaryDirectory { folder in
            try ChunkStore(in: folder).close()
            let plain = #expect(throws: TesseraError.self) { try ChunkStore(in: folder, key: key) }
            #expect(plain?.code == .invalidInput && plain?.message.contains("not encrypted") == true)
        }
    }

    /// What a store in the clear can't find: bytes changed together with their checksums.
    @Test func `a layer changed together with its checksum is found`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, key: key)
            try store.put(records)
            let session = try store.session()
            var header = try #require(try session.header(records[1].key))
            let file = URL(fileURLWithPath: session.files.file(header.place.segment))
            var bytes = try Data(contentsOf: file)
            let layer = header.layerRanges[1]
            let start = Int(header.place.offset) + layer.lowerBound
            bytes[start + 500] ^= 1
            try bytes.write(to: file)
            header.layers[1].checksum = bytes[start..<start + layer.count].withUnsafeBytes { checksum($0) }
            // Only who has the key can write such a header; the layer is found all the same.
            let batch = session.database.batch()
            batch.put(StoreKey.header(records[1].key), header.encoded(for: records[1].key))
            try session.database.write(batch)
            #expect(try store.layers(of: records[1]) == nil)
            #expect(try store.statistics().damaged == 1)
            #expect(try store.layers(of: records[0]) == records[0].layers)
        }
    }

    @Test func `a layer in another's place, and a header that isn't authentic, are found`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, key: key)
            try store.put(records)
            let session = try store.session()
            // Two layers of one record change places, checksums and all.
            var header = try #require(try session.header(records[0].key))
            let file = URL(fileURLWithPath: session.files.file(header.place.segment))
            var bytes = try Data(contentsOf: file)
            let (a, b) = (header.layerRanges[0], header.layerRanges[1])
            let start = Int(header.place.offset)
            let first = bytes[start + a.lowerBound..<start + a.upperBound]
            let second = bytes[start + b.lowerBound..<start + b.upperBound]
            bytes.replaceSubrange(start + a.lowerBound..<start + a.upperBound, with: second)
            bytes.replaceSubrange(start + b.lowerBound..<start + b.upperBound, with: first)
            try bytes.write(to: file)
            header.layers.swapAt(0, 1)
            let batch = session.database.batch()
            batch.put(StoreKey.header(records[0].key), header.encoded(for: records[0].key))
            try session.database.write(batch)
            #expect(try store.layers(of: records[0]) == nil)
            // A header as a store in the clear has it.
            let plain = WriteBatch()
            plain.put(StoreKey.header(records[2].key), header.encoded(for: records[2].key))
            try session.database.write(plain)
            #expect(try store.lookup(records[2]) == nil)
            #expect(try store.statistics().damaged == 2)
            #expect(try store.put(records[2]) == .stored)
            #expect(try store.layers(of: records[2]) == records[2].layers)
        }
    }

    @Test func `the catalog is made again from encrypted headers`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, key: key)
            try store.put(records)
            store.close()
            try FileManager.default.removeItem(at: folder.appending(path: "store/catalog.sqlite"))
            let again = try ChunkStore(in: folder, key: key)
            #expect(try again.statistics().records == 4 && again.statistics().variants == 1)
        }
    }

    @Test func `a key file holds 32 bytes, 64 hexadecimal digits or base64`() throws {
        try withTemporaryDirectory { folder in
            let bytes = [UInt8](100..<132)
            func read(_ data: Data) -> [UInt8]? {
                let file = folder.appending(path: "key")
                try? data.write(to: file)
                return (try? EncryptionKey(file: file.path))?.secret.withUnsafeBytes { [UInt8]($0) }
            }
            let hex = bytes.map { String(Int($0) + 0x100, radix: 16).dropFirst() }.joined()
            #expect(read(Data(bytes)) == bytes)
            #expect(read(Data((hex + "\n").utf8)) == bytes)
            #expect(read(Data(hex.uppercased().utf8)) == bytes)
            #expect(read(Data(bytes).base64EncodedData()) == bytes)
            for bad in ["", "short", String(hex.dropLast()), hex + "00", "zz" + hex.dropFirst(2)] {
                #expect(read(Data(bad.utf8)) == nil, "\(bad)")
            }
            #expect(code { _ = try EncryptionKey(file: folder.path + "/none") } == .io)
        }
    }

    @Test func `the encryption record decodes to what was encoded and refuses any change`() throws {
        let record = try EncryptionRecord(for: key)
        let bytes = record.encoded
        #expect(try bytes.withBytes { (bytes) throws(TesseraError) in try EncryptionRecord(bytes) } == record)
        #expect(record.cipher(key) != nil && record.cipher(other) == nil)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1
            #expect(
                code { _ = try changed.withBytes { (b) throws(TesseraError) in try EncryptionRecord(b) } } == .corrupt)
        }
    }

    /// GCM with a nonce of 96 bits, opened by the library's own interface from the documented layout.
    @Test func `a sealed value is nonce, ciphertext and tag under the derived key`() throws {
        let salt = [UInt8](repeating: 7, count: 32)
        let cipher = StoreCipher(key, salt: salt)
        let plain = [UInt8](0..<200)
        let sealed = try plain.withBytes { (bytes) throws(TesseraError) in try cipher.sealed(bytes, of: [1, 2]) }
        #expect(sealed.count == 228)
        let derived = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: [UInt8](0..<32)), salt: salt, info: Data("tessera store 1".utf8),
            outputByteCount: 32)
        let box = try AES.GCM.SealedBox(
            nonce: AES.GCM.Nonce(data: sealed[..<12]), ciphertext: sealed[12..<212], tag: sealed[212...])
        #expect([UInt8](try AES.GCM.open(box, using: derived, authenticating: [1, 2] as [UInt8])) == plain)
        #expect(sealed.withUnsafeBytes { cipher.opened($0, of: [1, 3]) } == nil)
        let again = try plain.withBytes { (bytes) throws(TesseraError) in try cipher.sealed(bytes, of: [1, 2]) }
        #expect(again != sealed, "no nonce is used twice")
    }
}
