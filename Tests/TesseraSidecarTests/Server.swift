// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Tessera
import TesseraClient
import TesseraTestSupport

@testable import TesseraSidecar

/// A small model with random weights.
let smallModel = fixtures.appendingPathComponent("goldens/gqa4-d32-linear-q8-f16.gguf").path
/// The model that answers questions.
let questionModel = fixtures.appendingPathComponent("models/rag-mini.gguf").path

/// Runs `body` with a server in this process and a client of it, on a socket and a store of their own.
func withServer<R: Sendable>(
    model: String = smallModel, _ change: (inout SidecarConfiguration, URL) throws -> Void = { _, _ in },
    isolation: isolated (any Actor)? = #isolation,
    _ body: @escaping @Sendable (TesseraClient, Sidecar, SidecarConfiguration) async throws -> R
) async throws -> R {
    try await withTemporaryDirectory { folder in
        var configuration = SidecarConfiguration(
            model: model, store: folder.appendingPathComponent("store").path,
            socket: folder.appendingPathComponent("run/tessera.sock").path)
        configuration.cache.precision = .fp32
        configuration.leases.folder = folder.appendingPathComponent("leases").path
        configuration.logger.logLevel = .critical
        try change(&configuration, folder)
        let (server, settled) = (try Sidecar(configuration), configuration)
        let client = TesseraClient(socket: settled.socket)
        let result: Result<R, any Error> = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run(until: []) }
            let result: Result<R, any Error>
            do { result = .success(try await body(client, server, settled)) } catch { result = .failure(error) }
            server.end()
            try await group.waitForAll()
            return result
        }
        try await client.shutdown()
        return try result.get()
    }
}

/// A token file with the mode that it has to have.
func tokenFile(_ token: String, in folder: URL) throws -> String {
    let file = folder.appendingPathComponent("\(UUID()).token")
    try Data(token.utf8).write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
    return file.path
}
