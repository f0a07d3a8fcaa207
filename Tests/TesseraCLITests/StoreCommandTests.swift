// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraTestSupport
import Testing

@Suite("tessera store and doctor") struct StoreCommandTests {
    private let model = fixtures.appendingPathComponent("goldens/gqa4-d32-linear-q8-f16.gguf").path
    private let otherModel = fixtures.appendingPathComponent("goldens/mha-d32-f32.gguf").path

    /// A store of a few chunks.
    private func withStore(_ body: (_ store: String, _ folder: URL) throws -> Void) throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(3, in: folder)
            let store = folder.path + "/store"
            let warmed = try CommandRun("warm", docs.path, "-m", model, "--store", store, "--chunk-tokens", "32")
            #expect(warmed.status == 0)
            try body(store, folder)
        }
    }

    private func keys(_ store: String) throws -> [String] {
        let run = try CommandRun("store", "ls", "--store", store, "--json")
        let list = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]]
        return try #require(list).compactMap { $0["key"] as? String }
    }

    @Test func `what is in a store is listed, shown, pinned and removed`() throws {
        try withStore { store, _ in
            let keys = try keys(store)
            #expect(keys.count >= 3)
            let short = String(keys[0].prefix(10))
            let shown = try CommandRun("store", "show", short, "--store", store)
            #expect(shown.status == 0 && shown.output.contains(keys[0]) && shown.output.contains("KV heads"))
            #expect(try CommandRun("store", "pin", short, "--store", store).status == 0)
            #expect(try CommandRun("store", "ls", "--store", store).output.contains("yes"))
            #expect(try CommandRun("store", "unpin", short, "--store", store).status == 0)
            let dry = try CommandRun("store", "rm", short, "--dry-run", "--store", store)
            #expect(dry.output.hasPrefix("1 records") && dry.output.contains("would be"))
            #expect(try CommandRun("store", "rm", short, "--store", store).status == 0)
            #expect(try self.keys(store).count == keys.count - 1)
            #expect(
                try CommandRun("store", "rm", "--namespace", "none", "--store", store).output.hasPrefix("0 records"))
            #expect(try CommandRun("store", "rm", "--namespace", "default", "--store", store).status == 0)
            #expect(try self.keys(store).isEmpty)
        }
    }

    @Test func `chunks are written anew without some of their tokens, and once`() throws {
        try withStore { store, _ in
            let run = try CommandRun(
                "store", "recompress", "--press", "keydiff", "--budget", "60%", "--store", store)
            #expect(run.status == 0 && run.output.contains("records written anew as keydiff:60%"))
            #expect(!run.output.hasPrefix("0 records"))
            #expect(try CommandRun("store", "ls", "--store", store).output.contains(" of "))
            let again = try CommandRun("store", "recompress", "--codec", "q4", "--store", store)
            #expect(again.status == 0 && again.output.contains("lacking tokens already"))
            #expect(try CommandRun("store", "verify", "--store", store).status == 0)
        }
    }

    @Test(arguments: [["--press", "keydiff"], ["--press", "snapkv", "--budget", "50%"], ["--codec", "q5"], []])
    func `a form that chunks can't be written in is refused`(options: [String]) throws {
        try withTemporaryDirectory { folder in
            let run = try CommandRun(["store", "recompress", "--store", folder.path + "/store"] + options)
            #expect(run.status == 64)
            if options.contains("snapkv") { #expect(run.errors.contains("keydiff, lagkv")) }
        }
    }

    @Test func `a store is verified, found damaged and repaired`() throws {
        try withStore { store, _ in
            let sound = try CommandRun("store", "verify", "--store", store)
            #expect(sound.status == 0 && sound.output.contains("nothing is wrong"))
            let folder = URL(fileURLWithPath: store + "/layers")
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
                var bytes = try Data(contentsOf: folder.appendingPathComponent(name))
                bytes[700] ^= 1
                try bytes.write(to: folder.appendingPathComponent(name))
            }
            let damaged = try CommandRun("store", "verify", "--store", store)
            #expect(damaged.status == 65 && damaged.errors.contains("tessera store repair"))
            #expect(try CommandRun("store", "repair", "--store", store).status == 0)
            #expect(try CommandRun("store", "verify", "--store", store).status == 0)
            for upkeep in ["compact", "rebuild-catalog", "digest", "stats"] {
                #expect(try CommandRun("store", upkeep, "--store", store).status == 0)
            }
        }
    }

    @Test func `an exported chunk is taken in by another store, and Python reads it`() throws {
        try withStore { store, folder in
            let files = folder.path + "/files"
            #expect(try CommandRun("store", "export", "--to", files, "--store", store).status == 0)
            let names = try FileManager.default.contentsOfDirectory(atPath: files).map { files + "/" + $0 }
            let other = ["--store", folder.path + "/other"]
            let taken = try CommandRun(["store", "import"] + names + other)
            #expect(taken.status == 0 && taken.output.hasPrefix("\(names.count) records taken in"))
            #expect(
                try CommandRun(["store", "digest"] + other).output
                    == CommandRun("store", "digest", "--store", store).output)
            try Data("no chunk".utf8).write(to: URL(fileURLWithPath: names[0]))
            let refused = try CommandRun(["store", "import"] + names + other)
            #expect(refused.status == 65 && refused.errors.contains(names[0]))
            // The format read by its definition, with nothing of ours.
            let reader = """
                import json, struct, sys
                data = open(sys.argv[1], "rb").read()
                length = struct.unpack("<Q", data[:8])[0]
                header = json.loads(data[8:8 + length])
                start, end = header["layers.0.keys"]["data_offsets"]
                numbers = struct.unpack("<%de" % ((end - start) // 2), data[8 + length + start:8 + length + end])
                print(header["__metadata__"]["codec"], header["layers.0.keys"]["dtype"], max(map(abs, numbers)) > 0)
                """
            let python = Process()
            let output = Pipe()
            python.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            python.arguments = ["python3", "-c", reader, names[1]]
            python.standardOutput = output
            try python.run()
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            python.waitUntilExit()
            #expect(text == "fp16 F16 True\n")
        }
    }

    @Test func `help gives sizes as they could be asked for`() throws {
        let help = try CommandRun("warm", "--help").output
        #expect(help.contains("(default: 256MiB)") && !help.contains("ByteCount"))
    }

    @Test func `the doctor finds what is there and what is not`() throws {
        try withStore { store, folder in
            let well = try CommandRun("doctor", "--store", store, "-m", model)
            #expect(well.status == 0)
            for word in ["RocksDB", "SQLite", "OpenBLAS", "kernels", "all records are of this model"] {
                #expect(well.output.contains(word), "\(word)")
            }
            let other = try CommandRun("doctor", "--store", store, "-m", otherModel)
            #expect(other.output.contains("records differ in") && other.output.contains("weights"))
            #expect(try CommandRun("doctor", "--store", folder.path + "/none").status == 0)
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/none"), "it makes nothing")
            #expect(try CommandRun("doctor", "--store", store, "-m", "/no/model").status == 74)
        }
    }

    @Test func `what can't be is refused with the reason`() throws {
        try withStore { store, folder in
            func refused(_ arguments: [String], _ status: Int32, _ word: String) throws {
                let run = try CommandRun(arguments)
                #expect(run.status == status && run.errors.contains(word), "\(arguments): \(run.errors)")
            }
            try refused(["store", "ls", "--store", folder.path + "/none"], 66, "no store")
            try refused(["store", "show", "abc", "--store", store], 64, "6 to 64")
            try refused(["store", "show", "0123456789", "--store", store], 66, "no record")
            try refused(["store", "rm", "--store", store], 64, "name keys")
            try refused(["store", "rm", "--unused-for", "soon", "--store", store], 64, "unused-for")
            try refused(["store", "ls", "--store", store, "--encrypt-key-file", "/no/key"], 74, "/no/key")
            let key = folder.path + "/key"
            try Data(repeating: 1, count: 32).write(to: URL(fileURLWithPath: key))
            try refused(["store", "ls", "--store", store, "--encrypt-key-file", key], 64, "not encrypted")
        }
    }

    @Test func `an encrypted store needs its key, and refuses a text index in the clear`() throws {
        try withTemporaryDirectory { folder in
            let docs = try writeDocuments(2, in: folder)
            let (store, key) = (folder.path + "/store", folder.path + "/key")
            try Data(String(repeating: "0f", count: 32).utf8).write(to: URL(fileURLWithPath: key))
            let warm = ["warm", docs.path, "-m", model, "--store", store, "--encrypt-key-file", key]
            let refused = try CommandRun(warm)
            #expect(refused.status == 69 && refused.errors.contains("--plain-index"))
            #expect(try CommandRun(warm + ["--plain-index"]).status == 0)
            #expect(try CommandRun("store", "verify", "--store", store, "--encrypt-key-file", key).status == 0)
            let keyless = try CommandRun("store", "verify", "--store", store)
            #expect(keyless.status == 64 && keyless.errors.contains("--encrypt-key-file"))
        }
    }
}
