// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct AssetTests {
    @Test func `assets are set, replaced and removed, and are there after opening again`() throws {
        try withTemporaryDirectory { folder in
            let first = try ChunkStore(in: folder)
            #expect(try first.asset("gate/x") == nil)
            try first.setAsset("gate/x", nil)
            try first.setAsset("gate/x", [1, 2, 3])
            try first.setAsset("gate/empty", [])
            try first.setAsset("rate", [UInt8](repeating: 7, count: 3 << 20))
            try first.setAsset("gate/x", [4])
            try first.setAsset("gone", [5])
            try first.setAsset("gone", nil)
            first.close()
            let second = try ChunkStore(in: folder)
            #expect(second.notes == [])
            #expect(try second.asset("gate/x") == [4])
            #expect(try second.asset("gate/empty") == [])
            #expect(try second.asset("rate")?.count == 3 << 20)
            #expect(try second.asset("gone") == nil)
            #expect(try second.statistics().records == 0)
        }
    }

    @Test func `names are listed under a prefix, in the order of their bytes`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let names = ["gate/b", "gate/a", "gate", "gatf", "é/ü", String(repeating: "n", count: 512)]
            for name in names { try store.setAsset(name, [1]) }
            try store.put([Sample.record(1), Sample.variant(1, behind: [2])])
            #expect(try store.assetNames(under: "gate/") == ["gate/a", "gate/b"])
            #expect(try store.assetNames(under: "gate") == ["gate", "gate/a", "gate/b"])
            #expect(try store.assetNames(under: "é") == ["é/ü"])
            #expect(try store.assetNames(under: "x") == [])
            #expect(try store.assetNames(under: "") == names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
        }
    }

    @Test func `names and sizes that none can have are refused`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let long = String(repeating: "n", count: 513)
            for name in ["", long] {
                #expect(code { _ = try store.asset(name) } == .invalidInput)
                #expect(code { try store.setAsset(name, [1]) } == .invalidInput)
                #expect(code { try store.setAsset(name, nil) } == .invalidInput)
            }
            #expect(code { try store.setAsset("big", [UInt8](repeating: 0, count: (16 << 20) + 1)) } == .invalidInput)
            try store.setAsset("big", [UInt8](repeating: 1, count: 16 << 20))
            #expect(try store.asset("big")?.count == 16 << 20)
        }
    }

    @Test func `an asset counts against the cap`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, diskCap: 24 << 20)
            #expect(code { try store.setAsset("big", [UInt8](repeating: 0, count: 16 << 20)) } == .full)
            #expect(try store.asset("big") == nil)
            try store.setAsset("small", [1])
            #expect(try store.asset("small") == [1])
        }
    }

    @Test func `a damaged asset is an error that names it and the way out`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            try store.setAsset("rate/cpu", [1, 2, 3, 4])
            try store.setAsset("other", [1, 2, 3, 4])
            let key = StoreKey.asset("rate/cpu")
            let sound = try #require(try store.session().database.value(key))
            func expectDamage(_ bytes: [UInt8]) throws {
                let batch = WriteBatch()
                batch.put(key, bytes)
                try store.session().database.write(batch)
                let error = #expect(throws: TesseraError.self) { try store.asset("rate/cpu") }
                #expect(error?.code == .corrupt)
                #expect(error?.message.contains("rate/cpu") == true && error?.message.contains("measure") == true)
            }
            for index in sound.indices {
                var changed = sound
                changed[index] ^= 4
                try expectDamage(changed)
                try expectDamage(Array(sound.prefix(index)))
            }
            try expectDamage(try #require(try store.session().database.value(StoreKey.asset("other"))))
            #expect(try store.assetNames(under: "") == ["other", "rate/cpu"])
            try store.setAsset("rate/cpu", [9])
            #expect(try store.asset("rate/cpu") == [9])
        }
    }

    @Test func `a closed store has no assets to give`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            store.close()
            #expect(code { _ = try store.asset("x") } == .invalidInput)
            #expect(code { try store.setAsset("x", [1]) } == .invalidInput)
        }
    }
}
