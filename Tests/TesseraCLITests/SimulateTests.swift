// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraTestSupport
import Testing

@Suite("tessera simulate and trace") struct SimulateTests {
    private struct Report: Decodable {
        struct Result: Decodable {
            var policy: String
            var capacity: Int
            var missRatio, byteMissRatio, timeSaved: Double
        }
        var requests: Int
        var results: [Result]
        var notes: [String]
    }

    private func write(_ text: String, _ folder: URL) throws -> String {
        let path = folder.appendingPathComponent("trace.csv").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    @Test func `a generated trace is simulated, to a table, to JSON and to a page`() throws {
        try withTemporaryDirectory { folder in
            let trace = folder.appendingPathComponent("trace.csv").path
            let made = try CommandRun(
                "trace", "make", "rag", "--objects", "200", "--requests", "5000", "--output", trace)
            #expect(made.status == 0 && made.output.contains("5000"))
            let (page, drawing) = (folder.path + "/page.html", folder.path + "/curves.svg")
            let arguments = ["simulate", "--trace", trace, "--policy", "lru,value", "--capacity", "5%,50%,64MB"]
            let table = try CommandRun(arguments + ["--bounds", "--html", page, "--svg", drawing])
            #expect(table.status == 0)
            for word in ["5000 requests", "lru", "value", "bound", "time saved"] {
                #expect(table.output.contains(word))
            }
            let html = try String(contentsOfFile: page, encoding: .utf8)
            #expect(html.contains("<svg") && html.contains("value") && html.contains("trace.csv"))
            #expect(try String(contentsOfFile: drawing, encoding: .utf8).hasPrefix("<svg xmlns"))
            let json = try CommandRun(arguments + ["--json"])
            let report = try JSONDecoder().decode(Report.self, from: Data(json.output.utf8))
            #expect(report.requests == 5000 && report.results.count == 6)
            #expect(report.results.map(\.policy) == ["lru", "value", "lru", "value", "lru", "value"])
            #expect(report.results[4].capacity == 64_000_000)
            #expect(report.results.allSatisfy { (0...1).contains($0.missRatio) && (0...1).contains($0.timeSaved) })
        }
    }

    @Test func `a trace in another form gives the same`() throws {
        try withTemporaryDirectory { folder in
            let (csv, binary) = (folder.path + "/trace.csv", folder.path + "/trace.bin")
            _ = try CommandRun("trace", "make", "zipf", "--objects", "300", "--requests", "4000", "-o", csv)
            #expect(try CommandRun("trace", "convert", csv, "-o", binary).status == 0)
            func ratios(_ path: String) throws -> [Double] {
                let run = try CommandRun("simulate", "-t", path, "-p", "lru,arc,sieve", "-c", "10%", "--json")
                return try JSONDecoder().decode(Report.self, from: Data(run.output.utf8)).results.map(\.missRatio)
            }
            #expect(try ratios(csv) == ratios(binary))
        }
    }

    @Test func `what is wrong is named`() throws {
        try withTemporaryDirectory { folder in
            let good = try write("time,key,bytes\n1,a,10\n2,b,20\n", folder)
            let unknown = try CommandRun("simulate", "--trace", good, "--policy", "lru,mru")
            #expect(unknown.status == 64 && unknown.errors.contains("mru") && unknown.errors.contains("s3fifo"))
            for capacity in ["0", "-5GB", "0%", "-1%", "much"] {
                let run = try CommandRun("simulate", "--trace", good, "--capacity=\(capacity)")
                #expect(run.status == 64 && run.errors.contains("capacity"), "\(run.errors)")
            }
            #expect(try CommandRun("simulate", "--trace", folder.path + "/none.csv").status == 66)
            let quota = try CommandRun("simulate", "--trace", good, "--quota", "docs=5")
            #expect(quota.status == 64 && quota.errors.contains("docs"))
            let broken = try CommandRun("simulate", "--trace", try write("time,key,bytes\n1,a,10\n2,b\n", folder))
            #expect(broken.status == 65 && broken.errors.contains("line 3"))
            let empty = try CommandRun("simulate", "--trace", try write("time,key,bytes\n", folder))
            #expect(empty.status == 64 && empty.errors.contains("no requests"))
            #expect(try CommandRun("trace", "make", "weather", "-o", good).status == 64)
            #expect(try CommandRun("trace", "make", "zipf", "-o", folder.path + "/no/such/folder.csv").status == 74)
        }
    }

    @Test func `sizes that change and times that run backwards are told`() throws {
        try withTemporaryDirectory { folder in
            let trace = try write("time,key,bytes\n2,a,10\n1,a,20\n", folder)
            let run = try CommandRun("simulate", "--trace", trace, "--policy", "lru", "--capacity", "1kB")
            #expect(run.status == 0)
            #expect(run.errors.contains("another size") && run.errors.contains("earlier than the one before"))
        }
    }

    @Test func `what was asked is written down, and can be simulated`() throws {
        try withTemporaryDirectory { folder in
            let model = fixtures.appendingPathComponent("models/rag-mini.gguf").path
            let docs = folder.appendingPathComponent("docs")
            try FileManager.default.createDirectory(at: docs, withIntermediateDirectories: true)
            try "Adona Walman owns the mill of Ostra.".write(
                to: docs.appendingPathComponent("a.txt"), atomically: true, encoding: .utf8)
            let trace = folder.path + "/trace.csv"
            for _ in 0..<2 {
                let run = try CommandRun(
                    "ask", "Who owns the mill?", "--docs", docs.path, "-m", model, "--store", folder.path + "/store",
                    "--record-trace", trace, "--assembly", "stitched", "--ungated")
                #expect(run.status == 0, "\(run.errors)")
            }
            let text = try String(contentsOfFile: trace, encoding: .utf8)
            let lines = text.split(separator: "\n")
            #expect(lines.count == 3 && lines[0] == "time,key,bytes,cost,namespace")
            #expect(lines[1].split(separator: ",")[1...] == lines[2].split(separator: ",")[1...])
            #expect(!text.contains("mill") && !text.contains("Walman"))
            let mode = try FileManager.default.attributesOfItem(atPath: trace)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let run = try CommandRun("simulate", "-t", trace, "-p", "lru", "-c", "1GB", "--json")
            let report = try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
            #expect(report.results.first?.missRatio == 0.5)
            let other = try write("something else", folder)
            let refused = try CommandRun(
                "ask", "Who?", "--docs", docs.path, "-m", model, "--store", folder.path + "/store", "--record-trace",
                other)
            #expect(refused.status == 64 && refused.errors.contains(other))
        }
    }
}
