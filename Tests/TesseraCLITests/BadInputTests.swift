// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraTestSupport
import Testing

@Suite(.serialized) struct `bad input on the command line` {
    let model = fixtures.appendingPathComponent("goldens/gqa4-d32-linear-q8-f16.gguf").path

    @Test func `a model that is not there`() throws {
        let run = try CommandRun("tokenize", "-m", "no-such.gguf", "text")
        #expect(run.status == 66)
        #expect(run.errors.contains("no-such.gguf"))
    }

    @Test(arguments: [
        (["ask", "q", "--docs", "d"], ["--store", "s"]), (["ask", "q", "--docs", "d"], ["--precision", "fp32"]),
        (["ask", "q", "--docs", "d"], ["--threads", "2"]), (["warm", "d"], ["--model", "m"]),
        (["warm", "d"], ["--disk-cap", "2GB"]), (["warm", "d"], ["--policy", "lru"]), (["warm", "d"], ["--prune"]),
        (["store", "ls"], ["--store", "s"]), (["store", "show", "abcdef"], ["--encrypt-key-file", "k"]),
        (["store", "pin", "abcdef"], ["--store", "s"]), (["store", "rm", "abcdef"], ["--dry-run"]),
        (["store", "stats"], ["--store", "s"]), (["store", "digest"], ["--namespace", "n"]),
    ])
    func `an option of one's own store beside a server's socket`(command: [String], option: [String]) throws {
        let run = try CommandRun(command + ["--socket", "no-such.sock"] + option)
        #expect(run.status == 64)
        #expect(run.errors.contains(option[0]) && run.errors.contains("--socket"))
    }

    @Test func `a model that is no GGUF file`() throws {
        try withTemporaryDirectory { folder in
            let path = folder.appendingPathComponent("model.gguf").path
            try Data("once upon a time, a text of more than a header's length".utf8).write(
                to: URL(fileURLWithPath: path))
            let run = try CommandRun("ask", "q", "--docs", folder.path, "-m", path, "--store", folder.path + "/store")
            #expect(run.status == 65)
            #expect(run.errors.contains("GGUF"))
        }
    }

    @Test func `a truncated model`() throws {
        try withTemporaryDirectory { folder in
            let path = folder.appendingPathComponent("model.gguf").path
            try Data(contentsOf: URL(fileURLWithPath: model)).dropLast(1000).write(to: URL(fileURLWithPath: path))
            let run = try CommandRun("logits", "-m", path, "--tokens", "/dev/null")
            #expect(run.status == 65)
            #expect(run.errors.contains("model.gguf"))
        }
    }

    @Test func `an unsupported architecture is named, and leaves no store behind`() throws {
        try withTemporaryDirectory { folder in
            let path = folder.appendingPathComponent("model.gguf").path
            var bytes = try Data(contentsOf: URL(fileURLWithPath: model))
            // Same length, so that every offset stays right: general.architecture and the keys that begin with it.
            while let range = bytes.range(of: Data("llama".utf8)) { bytes.replaceSubrange(range, with: "qlama".utf8) }
            try bytes.write(to: URL(fileURLWithPath: path))
            let run = try CommandRun("warm", folder.path, "-m", path, "--store", folder.path + "/store")
            #expect(run.status == 69)
            #expect(run.errors.contains("qlama"))
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/store"))
        }
    }

    @Test func `a folder without documents`() throws {
        try withTemporaryDirectory { folder in
            let docs = folder.appendingPathComponent("docs")
            try FileManager.default.createDirectory(at: docs, withIntermediateDirectories: true)
            let run = try CommandRun("warm", docs.path, "-m", model, "--store", folder.path + "/store")
            #expect(run.status == 66)
            #expect(run.errors.contains(docs.path))
        }
    }

    @Test func `a prompt longer than the model's context`() throws {
        try withTemporaryDirectory { folder in
            let tokens = folder.appendingPathComponent("tokens.json")
            try JSONEncoder().encode([Int](repeating: 5, count: 200_000)).write(to: tokens)
            let run = try CommandRun("logits", "-m", model, "--tokens", tokens.path)
            #expect(run.status == 65)
            #expect(run.errors.contains("200000"))
        }
    }

    @Test func `token ids beyond the vocabulary`() throws {
        try withTemporaryDirectory { folder in
            let tokens = folder.appendingPathComponent("tokens.json")
            try Data("[1, 99999]".utf8).write(to: tokens)
            let run = try CommandRun("logits", "-m", model, "--tokens", tokens.path)
            #expect(run.status == 64)
            #expect(run.errors.contains("99999"))
        }
    }

    @Test(arguments: [-1, 99_999]) func `ids to decode beyond the vocabulary`(id: Int) throws {
        let run = try CommandRun("tokenize", "-m", model, "--decode", "[1, \(id)]")
        #expect(run.status == 64)
        #expect(run.errors.contains("\(id)"))
    }

    @Test(arguments: ["[1, 2", "{}", "[\"a\"]", ""]) func `token files that are no list of ids`(text: String) throws {
        try withTemporaryDirectory { folder in
            let tokens = folder.appendingPathComponent("tokens.json")
            try Data(text.utf8).write(to: tokens)
            let run = try CommandRun("logits", "-m", model, "--tokens", tokens.path)
            #expect(run.status == 64)
            #expect(run.errors.contains("tokens.json"))
        }
    }

    @Test func `broken UTF-8 is refused with its place`() throws {
        try withTemporaryDirectory { folder in
            let text = folder.appendingPathComponent("text.txt")
            try Data([0x61, 0x62, 0xFF, 0x63]).write(to: text)
            let run = try CommandRun("tokenize", "-m", model, "--file", text.path)
            #expect(run.status == 64)
            #expect(run.errors.contains("text.txt") && run.errors.contains("2"))
        }
    }

    @Test func `options of reuse out of range are refused before a model is loaded`() throws {
        let ask = ["ask", "q", "--docs", "."]
        for (arguments, reason) in [
            (ask + ["--ratio", "1.5"], "--ratio is between 0 and 1"),
            (ask + ["--check-layer", "0"], "--check-layer is 1 or more"),
            (ask + ["--selector", "best"], "'best' is invalid"),
            (ask + ["--k=-1"], "--k is 0 or more"), (ask + ["--repairs=-1"], "--repairs is 0 or more"),
            (ask + ["--alpha=-1"], "--alpha is 0 or more"),
            (ask + ["--context-temperature", "0"], "--context-temperature is above 0"),
            (ask + ["--context-scale=-1"], "--context-scale is above 0"),
            (ask + ["--assembly", "exact", "--selector", "none"], "--selector is for --assembly stitched"),
            (["gate", "--bar=-1"], "--bar is between 0 and 100 points"),
            (["gate", "--budget", "0"], "--budget is more than 0 minutes"),
            (["warm", ".", "--neighbours=-1"], "--neighbours is between 0 and 64"),
            (["warm", ".", "--scores", "65"], "--scores is between 0 and 64"),
            (["bench", "quality", "--ratios", "1.5"], "--ratios are between 0 and 1"),
        ] {
            let run = try CommandRun(arguments + ["-m", model])
            #expect(run.status == 64 && run.errors.contains(reason), "\(arguments): \(run.errors)")
        }
    }

    @Test func `options that would have no effect are refused by name`() throws {
        for lost in [
            ["--ratio", "0.9"], ["--k", "4"], ["--check-layer", "2"], ["--focus"], ["--context-scale", "2"],
            ["--k", "4", "--assembly", "stitched"], ["--ratio", "0.5", "--selector", "firstK"],
            ["--gradual", "--selector", "deviationAttention"], ["--check-layer", "2", "--selector", "storedScore"],
            ["--score", "mean", "--selector", "question"], ["--repairs", "2", "--selector", "deviation"],
        ] {
            let run = try CommandRun(["ask", "q", "-m", model, "--docs", "."] + lost)
            #expect(run.status == 64 && run.errors.contains("Error: \(lost[0])"), "\(lost): \(run.errors)")
        }
    }

    @Test func `a broken line of questions, an unknown kind and a foreign record are named`() throws {
        try withTemporaryDirectory { folder in
            let (questions, store) = (folder.appendingPathComponent("qa.jsonl").path, folder.path + "/store")
            try Data("{\"contexts\": [], \"question\": \"q\", \"answers\": [\"a\"], \"kind\": \"k\"}\n{\n".utf8)
                .write(to: URL(fileURLWithPath: questions))
            let quality = try CommandRun("bench", "quality", "-m", model, "--qa", questions, "--store", store)
            #expect(quality.status == 64 && quality.errors.contains("qa.jsonl, line 2"))
            let gate = try CommandRun("gate", "-m", model, "--store", store, "--kinds", "song")
            #expect(gate.status == 64 && gate.errors.contains("song"))
            let record = try CommandRun("gate", "-m", model, "--store", store, "--record", questions)
            #expect(record.status == 64 && record.errors.contains("no record of a quality gate"))
        }
    }

    @Test func `a missing option is named`() throws {
        let run = try CommandRun("ask", "q")
        #expect(run.status == 64 && run.errors.contains("--docs"))
    }

    @Test func `an empty question, a text given twice, a log without a use`() throws {
        for (arguments, reason) in [
            (["ask", " ", "--docs", "."], "the question is empty"),
            (["tokenize", "text", "--file", "file"], "give either a text or --file"),
            (["warm", ".", "--retrieval-log", "log"], "--retrieval-log needs --fit"),
        ] {
            let run = try CommandRun(arguments + ["-m", model])
            #expect(run.status == 64 && run.errors.contains(reason), "\(arguments): \(run.errors)")
        }
    }

    @Test func `a model that is not there leaves no store behind`() throws {
        try withTemporaryDirectory { folder in
            let store = folder.path + "/store"
            let run = try CommandRun("warm", folder.path, "-m", "no-such.gguf", "--store", store)
            #expect(run.status == 66)
            #expect(!FileManager.default.fileExists(atPath: store))
        }
    }

    @Test func `a store that another process holds`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(200, in: folder)
            let store = folder.appendingPathComponent("store").path
            let first = try CommandRun.start(["warm", docs.path, "-m", model, "--store", store, "--chunk-tokens", "32"])
            defer { first.process.terminate() }
            // The first progress line means that the store is open.
            _ = first.errors.availableData
            let second = try CommandRun("warm", docs.path, "-m", model, "--store", store)
            #expect(second.status == 75)
            #expect(second.errors.contains("\(first.process.processIdentifier)"))
        }
    }

    @Test func `a store on a disk that is full`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(400, in: folder)
            let disk = folder.appendingPathComponent("disk").path
            try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
            guard try mount(["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]) else {
                try Test.cancel("mounting a small disk needs rights that this machine does not give")
            }
            defer { _ = try? mount(["-u", disk]) }
            let run = try CommandRun("warm", docs.path, "-m", model, "--store", disk + "/store", "--chunk-tokens", "32")
            #expect(run.status == 73)
            #expect(run.errors.contains(disk))
        }
    }

    @Test func `a store that can't be written`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(2, in: folder)
            let file = folder.appendingPathComponent("file").path
            try Data().write(to: URL(fileURLWithPath: file))
            let run = try CommandRun("warm", docs.path, "-m", model, "--store", file + "/store")
            #expect(run.status == 74)
            #expect(run.errors.contains(file))
        }
    }

    @Test func `a plan above the cap is refused, and --fit takes what fits`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(300, in: folder)
            let arguments = [docs.path, "-m", model, "--store", folder.path + "/store", "--chunk-tokens", "32"]
            // The whole plan takes some 54 MB, and an empty store a few.
            let refused = try CommandRun(["warm"] + arguments + ["--disk-cap", "32MB"])
            #expect(refused.status == 73)
            #expect(refused.errors.contains("--fit"))
            let fitted = try CommandRun(["warm"] + arguments + ["--disk-cap", "32MB", "--fit", "--json"])
            #expect(fitted.status == 0)
            let outcome = try JSONSerialization.jsonObject(with: Data(fitted.output.utf8)) as? [String: Any]
            let computed = try #require(outcome?["computedChunks"] as? Int)
            let missing = try #require((outcome?["plan"] as? [String: Any])?["missingChunks"] as? Int)
            #expect(computed > 0 && computed < missing)
            #expect(try CommandRun(["warm"] + arguments + ["--fit"]).status == 0, "a store that is full stays as it is")
            let nothing = try CommandRun([
                "warm", docs.path, "-m", model, "--store", folder.path + "/other", "--disk-cap", "1MB", "--fit",
            ])
            #expect(nothing.status == 64)
            #expect(nothing.errors.contains("a disk cap is at least"))
        }
    }

    @Test func `a closed or full standard error does not stop the work, a full standard output is an error`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(3, in: folder)
            let warm = ["warm", docs.path, "-m", model, "--store", folder.path + "/store"]
            #expect(try CommandRun(shell: "2>&-", warm).status == 0)
            #expect(try CommandRun(shell: "2>/dev/full", warm).status == 0)
            #expect(try CommandRun(shell: "2>&-", ["warm", "nowhere", "-m", model]).status == 66)
            #expect(try CommandRun(shell: ">/dev/full", ["tokenize", "-m", model, "text"]).status == 74)
        }
    }

    @Test func `chunks longer than the model's context are cut to fit it`() throws {
        try withTemporaryDirectory { folder in
            let text = (0..<3000).map { "word\($0)" }.joined(separator: " ")
            try Data(text.utf8).write(to: folder.appendingPathComponent("text.txt"))
            let run = try CommandRun(
                "warm", folder.path + "/text.txt", "-m", model, "--store", folder.path + "/store", "--chunk-tokens",
                "1000000")
            #expect(run.status == 0)
        }
    }

    @Test func `numbers beyond all measure are refused`() throws {
        let ask = ["ask", "q", "--docs", ".", "-m", model]
        for more in [
            ["--threads", "3000000000"], ["--chunk-tokens", "9223372036854775807"], ["--neighbours", "100000000"],
        ] {
            let run = try CommandRun(ask + more)
            #expect(run.status == 64 && run.errors.contains(more[0]), "\(more): \(run.errors)")
        }
    }

    /// Mounts, or with `-u` unmounts; false where that is not allowed.
    private func mount(_ arguments: [String]) throws -> Bool {
        let process = Process()
        let unmounts = arguments.first == "-u"
        process.executableURL = URL(fileURLWithPath: unmounts ? "/bin/umount" : "/bin/mount")
        process.arguments = unmounts ? Array(arguments.dropFirst()) : arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}

/// A folder with documents of random words, some hundred bytes each.
func writeDocuments(_ count: Int, in folder: URL) throws -> URL {
    let docs = folder.appendingPathComponent("docs")
    try FileManager.default.createDirectory(at: docs, withIntermediateDirectories: true)
    let words = "the a river mill clock red old boat lives in was founded by who makes ropes town and market".split(
        separator: " ")
    for number in 0..<count {
        var state = UInt64(number)
        let text = (0..<60).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return String(words[Int(state >> 33) % words.count])
        }.joined(separator: " ")
        try Data("Report \(number). \(text).\n".utf8).write(to: docs.appendingPathComponent("\(number).txt"))
    }
    return docs
}
