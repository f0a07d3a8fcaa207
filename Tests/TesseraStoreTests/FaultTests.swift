// SPDX-License-Identifier: Apache-2.0

import CFaultSeam
import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

/// Every operation of the store with its first, second, third … call on a file failing, until it comes through without a
/// fault: an error that says what failed, and nothing that was acknowledged is lost.
@Suite struct FaultTests {
    /// How the calls fail.
    enum Fault: CaseIterable {
        case once, fullDisk, shortWrite

        var plan: (action: Int, error: Int32) {
            switch self {
            case .once: (FS_FAIL_ONCE, EIO)
            case .fullDisk: (FS_FAIL_ON, ENOSPC)
            case .shortWrite: (FS_SHORT, 0)
            }
        }

        /// The calls that fail so. No disk is too full to be read.
        var kinds: Int {
            switch self {
            case .once: FS_ALL
            case .fullDisk: FS_WRITE | FS_SYNC | FS_TRUNCATE | FS_FOLDER
            case .shortWrite: FS_WRITE
            }
        }
    }

    private static let old = (0..<3).map { Sample.record($0, layerBytes: 5000) }
    private static let new = (10..<13).map { Sample.record($0, layerBytes: 150_000) } + [Sample.variant(1, behind: [2])]

    /// Runs `body` on a store that holds the old records, over and over, with the next call failing each time.
    ///
    /// - Parameters:
    ///   - cap: The store's disk cap.
    ///   - prepare: What is done to the closed store first; `body` then opens it itself.
    ///   - body: What fails. The store is nil where something was prepared.
    ///   - check: Looks at the store that is opened afterwards.
    private func survive(
        _ fault: Fault, cap: Int = 0, prepare: ((URL) throws -> Void)? = nil,
        _ body: (ChunkStore?, URL) throws -> Void, check: (ChunkStore, _ done: Bool) throws -> Void
    ) throws {
        var nth = 0
        var isThrough = false
        while !isThrough {
            nth += 1
            #expect(nth < 2000)
            try withTemporaryDirectory { folder in
                let home = folder.appending(path: "store").path
                try #require(fs_watch(home))
                defer { fs_unwatch(home) }
                var store: ChunkStore? = try ChunkStore(in: folder, diskCap: cap)
                try store?.put(Self.old)
                if let prepare {
                    store?.close()
                    store = nil
                    try prepare(folder)
                }
                fs_plan(home, Int32(fault.plan.action), UInt32(fault.kinds), nth, fault.plan.error)
                var done = false
                do {
                    try body(store, folder)
                    done = true
                } catch {
                    let code = (error as? TesseraError)?.code
                    #expect([.io, .full, .corrupt].contains(code), "call \(nth): \(error)")
                }
                store?.close()
                store = nil
                isThrough = !fs_fired(home)
                fs_plan(home, Int32(FS_COUNT), 0, 0, 0)
                if isThrough { #expect(done, "it fails without a fault") }
                let after = try ChunkStore(in: folder, diskCap: cap)
                try check(after, done)
                #expect(try after.statistics().damaged == 0, "call \(nth)")
                // It goes on as ever.
                try after.put(Sample.record(99))
                #expect(try after.layers(of: Sample.record(99)) == Sample.record(99).layers)
                after.close()
            }
        }
    }

    private func expectThere(_ records: [ChunkRecord], _ store: ChunkStore) throws {
        for record in records { #expect(try store.layers(of: record) == record.layers) }
    }

    /// All of a batch or nothing of it; all of it where that was acknowledged.
    private func expectAtomic(_ records: [ChunkRecord], _ store: ChunkStore, done: Bool) throws {
        let there = try store.contains(records.map(\.key))
        #expect(there.allSatisfy { $0 } || there.allSatisfy { !$0 })
        if done { #expect(there.allSatisfy { $0 }) }
        if there.allSatisfy({ $0 }) { try expectThere(records, store) }
        #expect(try store.statistics().records == Self.old.count + (there.allSatisfy { $0 } ? records.count : 0))
    }

    @Test(arguments: Fault.allCases) func `a put`(fault: Fault) throws {
        try survive(fault) { store, _ in
            try store?.put(Self.new)
        } check: { store, done in
            try expectThere(Self.old, store)
            try expectAtomic(Self.new, store, done: done)
        }
    }

    @Test(arguments: [Fault.once]) func `a lookup and a load`(fault: Fault) throws {
        try survive(fault) { store, _ in
            guard let store else { return }
            for record in Self.old {
                // A read that fails is a miss; never other bytes.
                let layers = try store.layers(of: record)
                #expect(layers == nil || layers == record.layers)
            }
            #expect(try store.statistics().damaged == 0, "what can't be read is not damaged")
        } check: { store, _ in
            try expectThere(Self.old, store)
        }
    }

    @Test(arguments: Fault.allCases) func `a removal`(fault: Fault) throws {
        try survive(fault) { store, _ in
            try store?.remove([Self.old[0].key, Self.old[1].key])
        } check: { store, done in
            let there = try store.contains(Self.old.map(\.key))
            #expect(there[0] == there[1] && there[2])
            if done { #expect(!there[0]) }
            try expectThere(there[0] ? Self.old : [Self.old[2]], store)
        }
    }

    @Test(arguments: Fault.allCases) func `giving up records for room`(fault: Fault) throws {
        let cap = 4 << 20
        let large = (20..<24).map { Sample.record($0, layerBytes: 200_000) }
        try survive(fault, cap: cap) { store, _ in
            for record in large { try store?.put(record) }
        } check: { store, done in
            #expect(try store.diskUsage() <= cap)
            for record in Self.old + large {
                let layers = try store.layers(of: record)
                #expect(layers == nil || layers == record.layers)
            }
            if done { try expectThere([large[3]], store) }
        }
    }

    @Test(arguments: Fault.allCases) func `opening`(fault: Fault) throws {
        try survive(fault) { _ in
        } _: { _, folder in
            try ChunkStore(in: folder).close()
        } check: { store, _ in
            try expectThere(Self.old, store)
            #expect(try store.statistics().records == Self.old.count)
        }
    }

    @Test(arguments: Fault.allCases) func `making the catalog again`(fault: Fault) throws {
        try survive(fault) { folder in
            try FileManager.default.removeItem(at: folder.appending(path: "store/catalog.sqlite"))
        } _: { _, folder in
            try ChunkStore(in: folder).close()
        } check: { store, _ in
            try expectThere(Self.old, store)
            #expect(try store.statistics().records == Self.old.count)
        }
    }

    @Test(arguments: Fault.allCases) func `a compaction`(fault: Fault) throws {
        try survive(fault) { store, _ in
            try store?.session().database.compact()
        } check: { store, _ in
            try expectThere(Self.old, store)
        }
    }

    @Test(arguments: Fault.allCases) func `setting an asset`(fault: Fault) throws {
        try survive(fault) { store, _ in
            try store?.setAsset("gate", [UInt8](repeating: 7, count: 9000))
        } check: { store, done in
            let asset = try store.asset("gate")
            #expect(asset == nil || asset == [UInt8](repeating: 7, count: 9000))
            if done { #expect(asset != nil) }
            try expectThere(Self.old, store)
        }
    }
}

@Suite struct FaultSeamTests {
    /// What is written to a file of a watched folder, as far as it went.
    private func write(_ text: String, to path: String) -> Int32 {
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard file >= 0 else { return errno }
        defer { close(file) }
        let bytes = Array(text.utf8)
        return Foundation.write(file, bytes, bytes.count) == bytes.count ? 0 : errno
    }

    @Test func `the chosen call fails, once or from then on, and others don't`() throws {
        try withTemporaryDirectory { folder in
            try #require(fs_watch(folder.path))
            defer { fs_unwatch(folder.path) }
            let path = folder.path + "/file"
            fs_plan(folder.path, Int32(FS_FAIL_ONCE), UInt32(FS_WRITE), 2, EIO)
            #expect([1, 2, 3].map { write("\($0)", to: path) } == [0, EIO, 0])
            #expect(fs_fired(folder.path) && fs_count(folder.path) == 3)
            fs_plan(folder.path, Int32(FS_FAIL_ON), UInt32(FS_WRITE), 2, ENOSPC)
            #expect([4, 5, 6].map { write("\($0)", to: path) } == [0, ENOSPC, ENOSPC])
            fs_plan(folder.path, Int32(FS_COUNT), 0, 0, 0)
            #expect(try String(contentsOf: folder.appending(path: "file"), encoding: .utf8) == "134")
            try withTemporaryDirectory { other in
                fs_plan(folder.path, Int32(FS_FAIL_ON), UInt32(FS_ALL), 1, EIO)
                #expect(write("x", to: other.path + "/file") == 0)
                #expect(write("x", to: path) == EIO)
            }
        }
    }

    @Test func `a power cut leaves what was synced: bytes with their file, names with their folder`() throws {
        try withTemporaryDirectory { folder in
            let (home, shadow) = (folder.path + "/home", folder.path + "/shadow")
            try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: false)
            try Data("old".utf8).write(to: URL(fileURLWithPath: home + "/kept"))
            try Data("old".utf8).write(to: URL(fileURLWithPath: home + "/removed"))
            try #require(fs_watch(home) && fs_track(home, shadow))
            defer { fs_unwatch(home) }
            func sync(_ path: String) {
                let file = open(path, O_RDONLY)
                fsync(file)
                close(file)
            }
            _ = write(" and new", to: home + "/kept")
            sync(home + "/kept")
            _ = write(" and lost", to: home + "/kept")
            _ = write("named", to: home + "/named")
            unlink(home + "/removed")
            // The name of a file, not its bytes; a removal; a rename.
            sync(home)
            _ = write("bytes", to: home + "/nameless")
            sync(home + "/nameless")
            unlink(home + "/kept")
            try #require(fs_restore(shadow, folder.path + "/after"))
            func content(_ name: String) -> String? {
                try? String(contentsOfFile: folder.path + "/after/" + name, encoding: .utf8)
            }
            #expect(content("kept") == "old and new")
            #expect(content("named") == "")
            #expect(content("removed") == nil && content("nameless") == nil)
        }
    }
}
