// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct OpeningTests {
    @Test func `a second opening is told at once who holds the store`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            let error = #expect(throws: TesseraError.self) { try ChunkStore(in: folder) }
            #expect(error?.code == .locked)
            #expect(error?.message.contains("process \(ProcessInfo.processInfo.processIdentifier)") == true)
            #expect(error?.message.contains("since ") == true)
            store.close()
            #expect(throws: Never.self) { try ChunkStore(in: folder) }
        }
    }

    @Test func `a new store is readable by its owner alone`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(directory: folder.appending(path: "deep/er/store"))
            let attributes = try FileManager.default.attributesOfItem(atPath: store.directory.path)
            #expect(attributes[.posixPermissions] as? Int == 0o700)
        }
    }

    @Test func `a folder with other things in it is refused and left alone`() throws {
        try withTemporaryDirectory { folder in
            try Data("mine".utf8).write(to: folder.appending(path: "letter.txt"))
            let error = #expect(throws: TesseraError.self) { try ChunkStore(directory: folder) }
            #expect(error?.code == .invalidInput && error?.message.contains(folder.path) == true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["letter.txt"])
        }
    }

    @Test func `a file is no store`() throws {
        try withTemporaryDirectory { folder in
            let file = folder.appending(path: "store")
            try Data("text".utf8).write(to: file)
            #expect(code { _ = try ChunkStore(directory: file) } == .invalidInput)
            #expect(code { _ = try ChunkStore(directory: file.appending(path: "below")) } == .io)
        }
    }

    @Test func `a store of a newer format is refused with the way out`() throws {
        try withTemporaryDirectory { folder in
            try ChunkStore(in: folder).close()
            let version = folder.appending(path: "store/VERSION")
            try Data("tessera-store 3\n".utf8).write(to: version)
            let error = #expect(throws: TesseraError.self) { try ChunkStore(in: folder) }
            #expect(error?.code == .unsupported && error?.message.contains("update Tessera") == true)
            try Data("tessera-store 1\n".utf8).write(to: version)
            let older = #expect(throws: TesseraError.self) { try ChunkStore(in: folder) }
            #expect(older?.code == .unsupported && older?.message.contains("warm it again") == true)
            try Data("something else\n".utf8).write(to: version)
            #expect(code { _ = try ChunkStore(in: folder) } == .invalidInput)
        }
    }

    @Test func `a creation that was cut short is taken up again`() throws {
        try withTemporaryDirectory { folder in
            let store = folder.appending(path: "store")
            try FileManager.default.createDirectory(at: store, withIntermediateDirectories: false)
            try Data("tess".utf8).write(to: store.appending(path: "VERSION.new"))
            #expect(throws: Never.self) { try ChunkStore(in: folder) }
        }
    }

    @Test func `a closed store says so`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder)
            store.close()
            store.close()
            #expect(code { try store.put(Sample.record(1)) } == .invalidInput)
            #expect(code { _ = try store.lookup(Sample.record(1)) } == .invalidInput)
        }
    }

    @Test func `impossible options are refused`() throws {
        try withTemporaryDirectory { folder in
            #expect(code { _ = try ChunkStore(in: folder, diskCap: -1) } == .invalidInput)
            #expect(code { _ = try ChunkStore(in: folder, diskCap: 1 << 20) } == .invalidInput)
            #expect(code { _ = try ChunkStore(in: folder, freeDiskFloor: -1) } == .invalidInput)
        }
    }

    @Test(.enabled(if: canMount, "needs the right to mount a file system"))
    func `a read-only file system is named as the reason`() throws {
        try withTemporaryDirectory { folder in
            try withSmallDisk(at: folder, megabytes: 16) {
                try ChunkStore(in: folder).close()
                try remount(folder, "ro")
                let error = #expect(throws: TesseraError.self) { try ChunkStore(in: folder) }
                #expect(error?.code == .io && error?.message.contains("Read-only file system") == true)
                let fresh = #expect(throws: TesseraError.self) {
                    try ChunkStore(directory: folder.appending(path: "new"))
                }
                #expect(fresh?.code == .io && fresh?.message.contains(folder.path) == true)
            }
        }
    }
}
