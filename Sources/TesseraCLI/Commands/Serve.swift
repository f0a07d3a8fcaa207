// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Logging
import TesseraSidecar

/// `tessera serve`: the sidecar.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve the cache over a Unix socket, to programs in any language.",
        discussion: """
            Answers OpenAI's requests for chats and completions, plans prompts and lends stored KV to other runtimes, \
            warms the store. /openapi.json describes all of it.

            A flag goes before the environment (TESSERA_MODEL, TESSERA_DISK_CAP, …), that before the file of --config \
            ("model", "diskCap", …), that before the default. Deploy/runbook.md lists all settings. SIGTERM brings what is \
            under way to its end.
            """)

    @Option(help: "A file of settings in JSON.", completion: .file(extensions: ["json"]))
    var config: String?

    @Option(
        name: .shortAndLong, help: "The model: a GGUF file of the llama architecture.",
        completion: .file(extensions: ["gguf"]))
    var model: String?

    @Option(help: "The folder of the store. By default tessera in the user's cache folder.", completion: .directory)
    var store: String?

    @Option(help: "The Unix socket. By default tessera/tessera.sock in $XDG_RUNTIME_DIR.", completion: .file())
    var socket: String?

    @Option(help: "The group whose members may connect, of those whom the setting users lists.")
    var socketGroup: String?

    @Option(help: "Listen on this TCP port of 127.0.0.1 too, 0 for a free one; wants --token-file.")
    var port: Int?

    @Option(help: "A file, readable by you alone, with the token that clients on the port give.", completion: .file())
    var tokenFile: String?

    @Option(help: "Threads that compute. By default one per core.")
    var threads: Int?

    @Option(help: "The most that the store may take on disk, such as 20GB. It is remembered.")
    var diskCap: String?

    @Option(help: "The most memory for chunks at hand and for leases, such as 2GB.")
    var ramCap: String?

    @Option(help: "How the KV of new chunks is written.")
    var storeCodec: String?

    @Option(help: "A file of 32 random bytes that the store is encrypted with.", completion: .file())
    var encryptKeyFile: String?

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel: String?

    func run() async throws {
        let flags = [
            "config": config, "model": model, "store": store, "socket": socket, "socketGroup": socketGroup,
            "port": port.map(String.init), "tokenFile": tokenFile, "threads": threads.map(String.init),
            "diskCap": diskCap, "ramCap": ramCap, "storeCodec": storeCodec, "encryptKeyFile": encryptKeyFile,
            "logLevel": logLevel,
        ]
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        let configuration = try await SidecarConfiguration.read(
            flags: flags.compactMapValues { $0 }, environment: ProcessInfo.processInfo.environment)
        try Sidecar.traceSpans(of: configuration)
        try await Sidecar(configuration).run()
    }
}
