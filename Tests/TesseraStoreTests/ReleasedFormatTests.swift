// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraStore

/// A store as each released format has it, committed as it was written (`Fixtures/stores`).
@Suite struct ReleasedFormatTests {
    @Test func `a store of format 2 is read, verified and written to`() throws {
        try withTemporaryDirectory { folder in
            let store = folder.appending(path: "store")
            try FileManager.default.copyItem(at: fixtures.appending(path: "stores/format-2"), to: store)
            let opened = try ChunkStore(in: folder)
            #expect(opened.notes == [])
            #expect(opened.diskCap == 64_000_000)
            let found = try opened.verify()
            #expect(found.records == 2 && found.problems == [])
            #expect(
                try opened.contentDigest().digest.description
                    == "add2af4b68807bdb6c110a127b079c53748a31c2a596e6cffd2471c59a54fa9d")
            #expect(try opened.entries().map(\.tokens).sorted() == [35, 36])
            #expect(try opened.put(Sample.record(1)) == .stored)
            #expect(try opened.layers(of: Sample.record(1)) == Sample.record(1).layers)
        }
    }
}
