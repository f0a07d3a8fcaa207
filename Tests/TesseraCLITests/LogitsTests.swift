// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraTestSupport
import Testing

@Suite(.serialized) struct `logits on the command line` {
    let model = fixtures.appendingPathComponent("goldens/gqa4-d32-linear-q8-f16.gguf").path

    private struct Output: Decodable {
        struct Report: Decodable { var promptTokens, prefixTokens: Int }
        var tokens: [Int]
        var positions: [Int]
        var logits: [[Float]]
        var report: Report
    }

    private func logits(_ arguments: String...) throws -> Output {
        let run = try CommandRun(["logits", "-m", model, "--precision", "fp32", "--json"] + arguments)
        #expect(run.status == 0, "\(run.errors)")
        return try JSONDecoder().decode(Output.self, from: Data(run.output.utf8))
    }

    @Test func `the ids of segments are printed, and give the same logits as they are`() throws {
        try withTemporaryDirectory { folder in
            let segments = folder.appendingPathComponent("segments.json").path
            try Data(
                """
                [{"role": "system", "text": "The mill and the river."}, {"role": "context", "text": "Who lives in town?"},
                 {"role": "context", "tokens": [5, 6, 7, 8]}, {"role": "question", "text": "Who?"}]
                """.utf8
            ).write(to: URL(fileURLWithPath: segments))
            let spliced = try logits("--segments", segments, "--assembly", "exact", "--all")
            #expect(spliced.positions == Array(spliced.tokens.indices))
            #expect(spliced.tokens.count == spliced.report.promptTokens)

            let ids = folder.appendingPathComponent("ids.json").path
            try JSONEncoder().encode(spliced.tokens).write(to: URL(fileURLWithPath: ids))
            let plain = try logits("--tokens", ids, "--all")
            #expect(largestDifference(plain.logits.flatMap { $0 }, spliced.logits.flatMap { $0 }) < 1e-4)

            // A stored leading run has no rows of its own: with --all it is left unused.
            let store = folder.path + "/store"
            let docs = try writeDocuments(1, in: folder)
            #expect(
                try CommandRun(
                    "warm", docs.path, "-m", model, "--precision", "fp32", "--store", store, "--system",
                    "The mill and the river."
                ).status == 0)
            let behind = try logits("--segments", segments, "--assembly", "exact", "--store", store)
            #expect(behind.report.prefixTokens > 0 && behind.positions == [spliced.tokens.count - 1])
            let all = try logits("--segments", segments, "--assembly", "exact", "--store", store, "--all")
            #expect(all.report.prefixTokens == 0 && all.positions == spliced.positions)
        }
    }

    @Test func `a model that computes no numbers is named as damaged`() throws {
        try withTemporaryDirectory { folder in
            let broken = folder.appendingPathComponent("broken.gguf")
            var bytes = try Data(
                contentsOf: URL(fileURLWithPath: fixtures.appendingPathComponent("goldens/mha-d32-f32.gguf").path))
            for index in bytes.indices.suffix(400) { bytes[index] = 0xFF }
            try bytes.write(to: broken)
            let ids = folder.appendingPathComponent("ids.json")
            try Data("[1, 2, 3]".utf8).write(to: ids)
            let run = try CommandRun("logits", "-m", broken.path, "--tokens", ids.path, "--json")
            #expect(run.status == 65)
            #expect(run.errors.contains("broken.gguf"))
        }
    }
}
