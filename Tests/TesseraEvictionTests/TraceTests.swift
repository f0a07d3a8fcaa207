// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraEviction

@Suite struct TraceTests {
    private func all(_ trace: some Trace, by limit: Int = 3) throws -> [TraceRequest] {
        var source = try trace.open()
        var requests: [TraceRequest] = []
        while true {
            let batch = try source.next(limit)
            guard !batch.isEmpty else { return requests }
            #expect(batch.count <= limit)
            requests += batch
        }
    }

    private func withFile<R>(_ bytes: some Sequence<UInt8>, _ body: (String) throws -> R) throws -> R {
        try withTemporaryDirectory { folder in
            let path = folder.appendingPathComponent("trace").path
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            return try body(path)
        }
    }

    @Test func `a CSV trace is read`() throws {
        let text = "time,key,bytes,cost,namespace\r\n0.5,a b,10,2.5,red\n1,c,20,0,blue\n\n2e0,a b,10,2.5,red"
        try withFile(text.utf8) { path in
            let trace = try TraceFile(path)
            #expect(trace.format == .csv)
            let requests = try all(trace)
            #expect(requests.map(\.time) == [0.5, 1, 2])
            #expect(requests.map(\.object.bytes) == [10, 20, 10])
            #expect(requests.map(\.object.cost) == [2.5, 0, 2.5])
            #expect(requests.map(\.object.namespace) == [0, 1, 0])
            #expect(requests[0].object.key == requests[2].object.key)
            #expect(requests[0].object.key != requests[1].object.key)
        }
    }

    @Test func `columns may stand in any order and costs are bytes unless stated`() throws {
        try withFile("key,bytes,time\nx,7,3\n".utf8) { path in
            let requests = try all(TraceFile(path))
            #expect(requests.map(\.time) == [3])
            #expect(requests.map(\.object.cost) == [7])
        }
    }

    @Test(arguments: [
        ("time,key\n1,a\n", "line 1"), ("time,key,bytes\n1,a,10\n2,b\n", "line 3"),
        ("time,key,bytes\n1,a,10\n\n2,b,x\n", "line 4"), ("time,key,bytes\n1,a,-5\n", "line 2"),
        ("time,key,bytes\n1,a,0\n", "line 2"), ("time,key,bytes\n1,a,1.5\n", "line 2"),
        ("time,key,bytes\nnan,a,1\n", "line 2"), ("time,key,bytes\n1,,1\n", "line 2"),
        ("time,key,bytes\n1,a,1,2\n", "line 2"), ("time,key,bytes,cost\n1,a,1,-1\n", "line 2"),
        ("time,key,bytes,price\n1,a,1,2\n", "line 1"), ("1,a,10\n", "line 1"),
    ])
    func aBrokenLineIsNamed(_ text: String, _ place: String) throws {
        try withFile(text.utf8) { path in
            let error = #expect(throws: TesseraError.self) { try all(TraceFile(path)) }
            #expect(error?.code == .corrupt)
            #expect(error?.message.contains(place) == true, "\(error?.message ?? "")")
            #expect(error?.message.contains(path) == true)
        }
    }

    @Test func `times that run backwards are taken in order and noted`() throws {
        try withFile("time,key,bytes\n5,a,1\n3,b,1\n4,c,1\n6,d,1\n".utf8) { path in
            var source = try TraceFile(path).open()
            #expect(try source.next(10).map(\.time) == [5, 5, 5, 6])
            #expect(source.oddities.backwards == 2)
            #expect(source.oddities.notes.first?.contains("3") == true)
        }
    }

    @Test(arguments: ["", "\n\n"]) func `an empty file is refused`(_ text: String) throws {
        try withFile(text.utf8) { path in
            let error = #expect(throws: TesseraError.self) { try all(TraceFile(path)) }
            #expect(error?.code == .invalidInput)
        }
    }

    @Test func `a missing file and a folder are not found`() {
        for path in ["/nowhere/trace.csv", "/tmp"] {
            let error = #expect(throws: TesseraError.self) { try TraceFile(path) }
            #expect(error?.code == .notFound)
        }
    }

    @Test func `a compressed trace is refused with the way out`() throws {
        try withFile([0x28, 0xB5, 0x2F, 0xFD, 0, 0]) { path in
            let error = #expect(throws: TesseraError.self) { try TraceFile(path) }
            #expect(error?.code == .unsupported)
            #expect(error?.message.contains("zstd -d") == true)
        }
    }

    @Test func `oracle general records are read and written`() throws {
        let pattern = TracePattern(.zipf, objects: 50, requests: 1000, seed: 3)
        try withTemporaryDirectory { folder in
            let path = folder.appendingPathComponent("trace.bin").path
            #expect(try OracleGeneralTrace.write(pattern, to: path) == 1000)
            let (written, read) = (try all(pattern), try all(TraceFile(path), by: 64))
            #expect(read.map(\.object.key) == written.map(\.object.key))
            #expect(read.map(\.object.bytes) == written.map(\.object.bytes))
            #expect(read.map(\.time) == written.map { $0.time.rounded(.down) })
            // The number of the next request, as libCacheSim wants it.
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            for place in [0, 17, 999] {
                let next = bytes[(24 * place + 16)..<(24 * place + 24)].reversed().reduce(UInt64(0)) {
                    $0 << 8 | UInt64($1)
                }
                let after = read[(place + 1)...].firstIndex { $0.object.key == read[place].object.key }
                #expect(next == after.map(UInt64.init) ?? UInt64(Int64.max))
            }
        }
    }

    @Test func `a cut oracle general file is named`() throws {
        try withFile([UInt8](repeating: 1, count: 24 * 3 + 5)) { path in
            let error = #expect(throws: TesseraError.self) { try all(TraceFile(path), by: 100) }
            #expect(error?.code == .corrupt)
            #expect(error?.message.contains("record 4") == true)
        }
    }

    @Test func `mooncakes lines become blocks`() throws {
        let text = """
            {"timestamp": 0, "input_length": 1200, "output_length": 5, "hash_ids": [1, 2, 3]}
            {"timestamp": 1500, "input_length": 600, "output_length": 5, "hash_ids": [1, 9]}
            """
        try withFile(text.utf8) { path in
            let trace = try TraceFile(path)
            #expect(trace.format == .mooncake)
            let requests = try all(trace, by: 2)
            #expect(requests.map(\.object.key.rawValue) == [1, 2, 3, 1, 9])
            #expect(requests.map(\.time) == [0, 0, 0, 1.5, 1.5])
            #expect(Set(requests.map(\.object.bytes)) == [512 * 128 << 10])
        }
        try withFile("{\"timestamp\": 0, \"hash_ids\": [1]}\n{\"timestamp\": 1}\n".utf8) { path in
            let error = #expect(throws: TesseraError.self) { try all(TraceFile(path)) }
            #expect(error?.message.contains("line 2") == true)
        }
    }

    @Test func `a trace survives its way through CSV`() throws {
        let pattern = TracePattern(.tenants, objects: 60, requests: 500, seed: 5)
        try withTemporaryDirectory { folder in
            let path = folder.appendingPathComponent("trace.csv").path
            #expect(try CSVTrace.write(pattern, to: path) == 500)
            let (written, read) = (try all(pattern), try all(TraceFile(path), by: 77))
            #expect(read.map(\.object.bytes) == written.map(\.object.bytes))
            #expect(read.map(\.object.cost) == written.map(\.object.cost))
            #expect(read.map(\.time) == written.map(\.time))
            let names = Dictionary(zip(written, read).map { ($0.object.key, $1.object.key) }) { first, _ in first }
            #expect(zip(written, read).allSatisfy { names[$0.object.key] == $1.object.key })
            var source = try TraceFile(path).open()
            _ = try source.next(500)
            #expect(Set(source.namespaces) == Set(Tenants.names))
        }
    }

    @Test(arguments: TracePattern.Kind.allCases) func `equal seeds make equal traces`(_ kind: TracePattern.Kind) throws
    {
        func trace(_ seed: UInt64) throws -> [TraceRequest] {
            try all(TracePattern(kind, objects: 100, requests: 2000, seed: seed), by: 512)
        }
        let first = try trace(1)
        #expect(first.count == 2000)
        #expect(try trace(1) == first)
        if kind != .loop { #expect(try trace(2).map(\.object.key) != first.map(\.object.key)) }
        #expect(zip(first, first.dropFirst()).allSatisfy { $0.time <= $1.time })
        let sizes = Dictionary(grouping: first, by: \.object.key).values.map { Set($0.map(\.object.bytes)) }
        #expect(sizes.allSatisfy { $0.count == 1 })
    }

    @Test func `popularity follows its law`() throws {
        let requests = try all(TracePattern(.zipf, objects: 1000, requests: 200_000, exponent: 1), by: 1 << 16)
        let counts = Dictionary(grouping: requests, by: \.object.key).values.map(\.count).sorted(by: >)
        let harmonic = (1...1000).reduce(0.0) { $0 + 1 / Double($1) }
        for rank in [1, 2, 10, 100] {
            let expected = 200_000 / harmonic / Double(rank)
            #expect(abs(Double(counts[rank - 1]) - expected) < 6 * expected.squareRoot())
        }
    }

    @Test func `rags popular twentieth gets what was published`() throws {
        for (exponent, share) in [(0.8, 0.4), (1.04, 0.6)] {
            let requests = try all(TracePattern(.rag, exponent: exponent), by: 1 << 16)
            let counts = Dictionary(grouping: requests, by: \.object.key).values.map(\.count).sorted(by: >)
            #expect(abs(Double(counts.prefix(250).reduce(0, +)) / 200_000 - share) < 0.02)
        }
    }

    @Test func `a trace without namespaces is written, also over itself`() throws {
        try withFile("time,key,bytes\n0,a,1\n1,b,2\n".utf8) { path in
            #expect(try CSVTrace.write(TraceFile(path), to: path) == 2)
            #expect(try all(TraceFile(path)).map(\.object.bytes) == [1, 2])
            // What can't be turned into another form leaves what was there.
            try "time,key,bytes\n-1,a,1\n".write(toFile: path, atomically: true, encoding: .utf8)
            let error = #expect(throws: TesseraError.self) { try OracleGeneralTrace.write(TraceFile(path), to: path) }
            #expect(error?.code == .unsupported)
            #expect(try all(TraceFile(path)).count == 1)
        }
    }

    @Test(arguments: [
        ("\u{FEFF}time,key,bytes\n1,a,1\n", TraceFormat.csv), ("key,time,bytes\nä,1,1\n", .csv),
        ("\n\ntime,key,bytes\n1,a,1\n", .csv), ("{\"timestamp\": 0, \"hash_ids\": [1]}", .mooncake),
    ])
    func `forms are told apart by the first line`(_ text: String, _ format: TraceFormat) throws {
        try withFile(text.utf8) { path in
            let (found, count) = (try TraceFormat(of: path), try all(TraceFile(path)).count)
            #expect(found == format && count == 1)
        }
        // A first request after ten seconds begins with what is a line's end to text.
        let record = [10, 0, 0, 0] + [UInt8](repeating: 65, count: 8) + [1, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
        let binary = try withFile(record) { path in try TraceFormat(of: path) }
        #expect(binary == .oracleGeneral)
    }

    @Test func `a trace is gone on with after its last whole line`() throws {
        try withTemporaryDirectory { folder in
            let path = folder.appendingPathComponent("trace.csv").path
            let request = TraceRequest(time: 1, object: CachedObject(key: ObjectKey(7), bytes: 5))
            var first = try TraceWriter(appendingTo: path)
            try first.append(request, namespace: "one")
            try first.close()
            let handle = try #require(FileHandle(forUpdatingAtPath: path))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data("2,8,".utf8))
            try handle.close()
            var second = try TraceWriter(appendingTo: path)
            try second.append(request, namespace: "one")
            try second.close()
            #expect(try all(TraceFile(path)).map(\.time) == [1, 1])
        }
    }

    @Test func `a trace on a full disk says so, and stays a trace`() throws {
        var writer = try TraceWriter("/dev/full")
        try writer.append(TraceRequest(time: 1, object: CachedObject(key: ObjectKey(7), bytes: 5)), namespace: "one")
        var code: TesseraError.Code?
        do { try writer.flush() } catch { code = error.code }
        #expect(code == .io)
    }

    @Test func `extreme popularity ends all the same`() throws {
        #expect(try all(TracePattern(.rag, objects: 100, requests: 500, exponent: 50), by: 500).count == 500)
        #expect(throws: TesseraError.self) { try TracePattern(.zipf, objects: 1_000_000_000_000).open() }
    }

    @Test func `patterns that make no sense are refused`() {
        for pattern in [
            TracePattern(.zipf, objects: 0), TracePattern(.zipf, requests: 0), TracePattern(.zipf, exponent: -1),
            TracePattern(.zipf, exponent: .nan),
        ] {
            #expect(throws: TesseraError.self) { try pattern.open() }
        }
    }
}
