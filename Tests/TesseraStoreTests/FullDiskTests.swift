// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

@Suite struct FullDiskTests {
    /// Puts records of 1.5 MB until one is refused; gives those that were taken and the refusal.
    private func fill(_ store: ChunkStore, limit: Int) -> (taken: [ChunkRecord], refusal: TesseraError?) {
        var taken: [ChunkRecord] = []
        for number in 0..<limit {
            let record = Sample.record(number, layerBytes: 512 << 10)
            do { try store.put(record) } catch { return (taken, error) }
            taken.append(record)
        }
        return (taken, nil)
    }

    @Test func `a put that can't fit under the cap is refused, names the cap and loses nothing`() throws {
        try withTemporaryDirectory { folder in
            let cap = 16 << 20
            let store = try ChunkStore(in: folder, diskCap: cap)
            let taken = (0..<4).map { Sample.record($0, layerBytes: 512 << 10) }
            try store.put(taken)
            let refusal = #expect(throws: TesseraError.self) { try store.put(Sample.record(9, layerBytes: 6 << 20)) }
            #expect(refusal?.code == .full)
            #expect(refusal?.message.contains("disk cap of 16.8 MB") == true)
            #expect(refusal?.message.contains("raise the cap") == true)
            #expect(try store.diskUsage() <= cap)
            for record in taken { #expect(try store.layers(of: record) == record.layers) }
        }
    }

    @Test func `the cap is remembered until another is named`() throws {
        try withTemporaryDirectory { folder in
            try ChunkStore(in: folder, diskCap: 30 << 20).close()
            let second = try ChunkStore(in: folder)
            #expect(second.diskCap == 30 << 20)
            second.close()
            let third = try ChunkStore(in: folder, diskCap: 0)
            #expect(third.diskCap == 0)
            #expect(fill(third, limit: 30).refusal == nil)
            #expect(try third.statistics().evicted == 0)
            third.close()
            // One that is lowered holds at once.
            let fourth = try ChunkStore(in: folder, diskCap: 30 << 20)
            #expect(try fourth.diskUsage() <= 30 << 20)
            #expect(try (1..<30).contains(fourth.statistics().evicted))
        }
    }

    @Test func `a put that would take the disk below its floor is refused`() throws {
        try withTemporaryDirectory { folder in
            let store = try ChunkStore(in: folder, freeDiskFloor: .max / 2)
            let error = #expect(throws: TesseraError.self) { try store.put(Sample.record(1)) }
            #expect(error?.code == .full && error?.message.contains("left free") == true)
        }
    }

    @Test(.enabled(if: canMount, "needs the right to mount a file system"))
    func `a full disk is an error and loses nothing that was acknowledged`() throws {
        try withTemporaryDirectory { folder in
            try withSmallDisk(at: folder, megabytes: 48) {
                let store = try ChunkStore(in: folder)
                let (taken, _) = fill(store, limit: 4)
                let filler = try fillDisk(folder)
                let error = #expect(throws: TesseraError.self) { try store.put(Sample.record(77)) }
                #expect(error?.code == .full)
                for record in taken { #expect(try store.layers(of: record) == record.layers) }
                store.close()
                // Closing gave some back.
                _ = try fillDisk(folder)
                #expect(code { _ = try ChunkStore(in: folder) } == .full)
                try FileManager.default.removeItem(at: filler)
                let again = try ChunkStore(in: folder)
                for record in taken { #expect(try again.layers(of: record) == record.layers) }
                #expect(try again.put(Sample.record(77)) == .stored)
            }
        }
    }

    @Test(.enabled(if: canMount, "needs the right to mount a file system"))
    func `a disk that fills up in the middle of a write is told apart from other failures`() throws {
        try withTemporaryDirectory { folder in
            try withSmallDisk(at: folder, megabytes: 48) {
                try ChunkStore(in: folder).close()
                try withDatabase(of: folder) { database, directory in
                    let catalog = try Catalog(path: directory.catalog)
                    _ = try fillDisk(folder)
                    let bytes = [UInt8](repeating: 1, count: 4 << 20)
                    #expect(
                        code {
                            let writer = try SegmentFiles(path: directory.layers).writer(1)
                            try bytes.withBytes(writer.append)
                            try writer.finish()
                        } == .full)
                    #expect(
                        code {
                            let batch = WriteBatch()
                            batch.put(StoreKey.header(Sample.record(1).key), [UInt8](repeating: 1, count: 32 << 20))
                            try database.write(batch)
                        } == .full)
                    let header = RecordHeader(
                        of: Sample.record(1, namespace: String(repeating: "n", count: 1 << 20)),
                        place: RecordPlace(segment: 1, offset: 0), created: 0)
                    #expect(
                        code {
                            try catalog.apply(
                                [Catalog.Change(key: Sample.record(1).key, header: header, isPinned: false)],
                                upTo: .init(identity: 1, sequence: 1, nonce: 1))
                        } == .full)
                }
            }
        }
    }

    /// Writes a file until the disk is full.
    private func fillDisk(_ folder: URL) throws -> URL {
        let filler = folder.appending(path: "filler")
        try Data().write(to: filler)
        let handle = try FileHandle(forWritingTo: filler)
        defer { try? handle.close() }
        while (try? handle.write(contentsOf: Data(count: 64 << 10))) != nil {}
        while (try? handle.write(contentsOf: Data(count: 512))) != nil {}
        return filler
    }
}
