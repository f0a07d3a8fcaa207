// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tessera
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraSidecar

struct `settings of the sidecar` {
    private func read(
        _ flags: [String: String] = ["model": "m.gguf"], environment: [String: String] = [:], file: String? = nil
    ) async throws -> SidecarConfiguration {
        try await withTemporaryDirectory { folder in
            var flags = flags
            if let file {
                let path = folder.appendingPathComponent("tessera.json")
                try Data(file.utf8).write(to: path)
                flags["config"] = path.path
            }
            return try await SidecarConfiguration.read(flags: flags, environment: environment)
        }
    }

    @Test func `a flag goes before the environment, that before the file, that before the default`() async throws {
        let file = #"{"model": "file.gguf", "store": "file", "diskCap": "3GB", "threads": 3}"#
        let configuration = try await read(
            ["store": "flag"], environment: ["TESSERA_STORE": "environment", "TESSERA_DISK_CAP": "2GB"], file: file)
        #expect(configuration.store == "flag" && configuration.cache.diskCap == 2_000_000_000)
        #expect(configuration.model == "file.gguf" && configuration.cache.threads == 3)
        #expect(configuration.cache.scheduling.waitingRequests == 256 && configuration.port == nil)
    }

    @Test func `a user's own folders are the default`() async throws {
        let configuration = try await read(environment: ["HOME": "/home/me", "XDG_RUNTIME_DIR": "/run/user/7"])
        #expect(configuration.store == "/home/me/.cache/tessera")
        #expect(configuration.socket == "/run/user/7/tessera/tessera.sock")
    }

    @Test func `tenants have their users, tokens, quotas and salts`() async throws {
        try await withTemporaryDirectory { folder in
            let salt = folder.appendingPathComponent("salt")
            try Data("0123456789abcdef0123\n".utf8).write(to: salt)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: salt.path)
            let configuration = try await read(
                file: """
                    {"tenants": ["shop", "press"], "tenant": {
                        "shop": {"users": [1001, 1002], "quota": "1GB", "administrator": true},
                        "press": {"users": [1003], "saltFile": "\(salt.path)", "leaseUser": 7}}}
                    """)
            let (shop, press) = (configuration.tenants[0], configuration.tenants[1])
            #expect(shop.users == [1001, 1002] && shop.isAdministrator && shop.quota == 1_000_000_000)
            #expect(press.users == [1003] && press.salt == "0123456789abcdef0123" && press.leaseUser == 7)
            #expect(configuration.cache.quotas == ["shop": 1_000_000_000] && configuration.cache.namespace == "shop")
            #expect(press.namespace != "press" && press.namespace.hasPrefix("press~"))
        }
    }

    @Test func `leases come out of the memory that is stated as a whole`() async throws {
        let configuration = try await read(
            ["model": "m", "ramCap": "1GiB"], environment: ["TESSERA_LEASE_MEMORY": "256MiB"])
        #expect(configuration.leases.memory == 256 << 20 && configuration.cache.ramCap == 768 << 20)
    }

    @Test(arguments: [
        (#"{"modle": "x"}"#, "modle"), (#"{"port": 70000}"#, "port"), (#"{"port": "many"}"#, "port"),
        (#"{"diskCap": "lots"}"#, "diskCap"), (#"{"logLevel": "loud"}"#, "logLevel"), (#"{"threads": [1]}"#, "threads"),
        (#"{"tenants": ["a"], "tenant": {"a": {"uids": [1]}}}"#, "tenant.a.uids"),
        (#"{"tenants": ["a"], "users": [1]}"#, "tenant.NAME.users"), (#"{"users": [-1]}"#, "users"),
        (#"{"ramCap": "64MiB", "leaseMemory": "60MiB"}"#, "leaseMemory"), ("[1]", "no JSON object"),
        ("{", "no JSON object"),
        (#"{"evictionPolicy": "best"}"#, "evictionPolicy"), (#"{"timeToLive": 0}"#, "timeToLive"),
    ])
    func `a setting that can't be is an error that names it`(file: String, name: String) async throws {
        let error = await #expect(throws: TesseraError.self) { try await read(file: file) }
        #expect(error?.code == .invalidInput)
        #expect(error?.message.contains(name) == true, "\(error?.message ?? "")")
    }

    @Test func `a missing model and a missing file are named`() async throws {
        let model = await #expect(throws: TesseraError.self) { try await read([:]) }
        #expect(model?.message.contains("--model") == true)
        let file = await #expect(throws: TesseraError.self) {
            try await read(["model": "m", "config": "/no/such.json"])
        }
        #expect(file?.code == .notFound && file?.message.contains("/no/such.json") == true)
    }
}
