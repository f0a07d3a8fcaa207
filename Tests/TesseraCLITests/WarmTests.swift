// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraTestSupport
import Testing

@Suite(.serialized) struct `warming on the command line` {
    let model = fixtures.appendingPathComponent("goldens/gqa4-d32-linear-q8-f16.gguf").path

    private func warm(_ docs: URL, _ store: String, _ more: String...) throws -> (run: CommandRun, json: [String: Any])
    {
        let run = try CommandRun(
            ["warm", docs.path, "-m", model, "--store", store, "--chunk-tokens", "32", "--json"] + more)
        let json = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        return (run, json ?? [:])
    }

    @Test func `a dry run computes nothing, a second run nothing again, a changed file its own chunks`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(20, in: folder)
            let store = folder.path + "/store"
            let missing = try #require(try warm(docs, store, "--dry-run").json["missingChunks"] as? Int)
            #expect(missing > 20)
            #expect(try warm(docs, store).json["computedChunks"] as? Int == missing)
            #expect(try warm(docs, store).json["computedChunks"] as? Int == 0)

            let changed = docs.appendingPathComponent("3.txt")
            try (Data(contentsOf: changed) + Data(" One more sentence stands at the end.\n".utf8)).write(to: changed)
            let computed = try #require(try warm(docs, store).json["computedChunks"] as? Int)
            #expect((1...3).contains(computed))
        }
    }

    @Test func `scores are taken down once, and again for more of them or what has changed`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(8, in: folder)
            let store = folder.path + "/store"
            let first = try warm(docs, store, "--scores", "2")
            let chunks = try #require((first.json["plan"] as? [String: Any])?["chunks"] as? Int)
            #expect(first.json["scoredChunks"] as? Int == chunks && first.json["contextualChunks"] as? Int == 0)
            #expect(try warm(docs, store, "--scores", "2").json["scoredChunks"] as? Int == 0)
            #expect(try warm(docs, store, "--scores", "3").json["scoredChunks"] as? Int == chunks)
            let asked = try CommandRun([
                "ask", "Who founded the old mill by the river?", "--docs", docs.path, "-m", model, "--store", store,
                "--chunk-tokens", "32", "--selector", "storedScore", "--ungated", "--max-tokens", "1", "--json",
            ])
            let answer = try JSONSerialization.jsonObject(with: Data(asked.output.utf8)) as? [String: Any]
            let report = try #require(answer?["report"] as? [String: Any])
            #expect(report["unscoredHits"] as? Int == 0 && (report["hits"] as? Int ?? 0) > 0)

            try Data("Quite another text stands here now, and it is not short at all.\n".utf8)
                .write(to: docs.appendingPathComponent("3.txt"))
            #expect((1...3).contains(try warm(docs, store, "--scores", "3").json["scoredChunks"] as? Int ?? 0))
            try withTemporaryDirectory { lonely in
                try Data("One text.\n".utf8).write(to: lonely.appendingPathComponent("one.txt"))
                let alone = try warm(lonely, store, "--scores", "4")
                #expect(alone.json["scoredChunks"] as? Int == 0, "there is nothing to see it behind")
            }
        }
    }

    @Test func `a dry run says how much KV behind neighbours may take`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(3, in: folder)
            let arguments = ["warm", docs.path, "-m", model, "--store", folder.path + "/store", "--dry-run"]
            #expect(try CommandRun(arguments + ["--neighbours", "2"]).output.contains("behind     at most"))
            #expect(try !CommandRun(arguments).output.contains("behind"))
        }
    }

    @Test func `pruning releases what no document holds any more`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(10, in: folder)
            let store = folder.path + "/store"
            _ = try warm(docs, store)
            try FileManager.default.removeItem(at: docs.appendingPathComponent("4.txt"))
            let released = try #require(try warm(docs, store, "--prune").json["releasedChunks"] as? Int)
            #expect(released > 1)
            #expect(try warm(docs, store, "--prune").json["releasedChunks"] as? Int == 0)
        }
    }

    @Test func `pruning releases what was captured behind a chunk that is gone`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(6, in: folder)
            let store = folder.path + "/store"
            let chunks = try #require(try warm(docs, store, "--neighbours", "5").json["contextualChunks"] as? Int)
            let before = try #require(try warm(docs, store, "--dry-run").json["chunks"] as? Int)
            try FileManager.default.removeItem(at: docs.appendingPathComponent("4.txt"))
            let left = try #require(try warm(docs, store, "--dry-run").json["chunks"] as? Int)
            let released = try #require(try warm(docs, store, "--prune").json["releasedChunks"] as? Int)
            // Its own chunks and their variants, and of the others those that had one of them in front.
            #expect(released > 2 * (before - left) && released < chunks + before - left)
            #expect(try warm(docs, store, "--prune").json["releasedChunks"] as? Int == 0)
        }
    }

    @Test func `pruning reaches the chunks of a vanished document however they were cut`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(10, in: folder)
            let store = folder.path + "/store"
            _ = try warm(docs, store)
            let longer = try warm(docs, store, "--chunk-tokens", "48")
            let before = try #require((longer.json["plan"] as? [String: Any])?["chunks"] as? Int)
            try FileManager.default.removeItem(at: docs.appendingPathComponent("4.txt"))
            let released = try #require(try warm(docs, store, "--prune").json["releasedChunks"] as? Int)
            let after = try warm(docs, store, "--chunk-tokens", "48", "--dry-run")
            let left = try #require(after.json["chunks"] as? Int)
            #expect(after.json["missingChunks"] as? Int == 0)
            // Those of the first cut are more than those of the second.
            #expect(released > 2 * (before - left))
        }
    }

    @Test func `killed in the middle, then run again to the end`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(300, in: folder)
            let store = folder.path + "/store"
            let arguments = ["warm", docs.path, "-m", model, "--store", store, "--chunk-tokens", "32"]
            for _ in 0..<3 {
                let killed = try CommandRun.start(arguments)
                _ = killed.errors.availableData
                usleep(UInt32.random(in: 0...300_000))
                kill(killed.process.processIdentifier, SIGKILL)
                killed.process.waitUntilExit()
            }
            let (run, json) = try warm(docs, store)
            #expect(run.status == 0)
            let plan = try #require(json["plan"] as? [String: Any])
            #expect(json["computedChunks"] as? Int == plan["missingChunks"] as? Int)
            #expect(try warm(docs, store).json["computedChunks"] as? Int == 0)
        }
    }

    @Test func `a model that changed since makes old chunks misses, and says so once`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(5, in: folder)
            let store = folder.path + "/store"
            _ = try warm(docs, store)
            let other = folder.appendingPathComponent("other.gguf")
            var bytes = try Data(contentsOf: URL(fileURLWithPath: model))
            bytes[bytes.count - 200] ^= 1
            try bytes.write(to: other)
            let run = try CommandRun(
                ["warm", docs.path, "-m", other.path, "--store", store, "--chunk-tokens", "32", "--dry-run", "--json"])
            #expect(run.errors.components(separatedBy: "weights").count == 2)
            let plan = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
            #expect(plan["missingChunks"] as? Int == plan["chunks"] as? Int)
        }
    }
}
