// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import TesseraAPI
import TesseraClient
import TesseraKV

/// A server in the place of a model and a store of one's own.
struct SocketOptions: ParsableArguments {
    @Option(
        help: "Ask the server that listens on this socket (tessera serve), in the place of opening model and store.",
        completion: .file())
    var socket: String?

    /// Whether a server is asked.
    var isGiven: Bool { socket != nil }

    /// Runs work with a client; nil where no server is asked.
    func withClient<R>(_ body: (TesseraClient) async throws -> R) async throws -> R? {
        guard let socket else { return nil }
        let client = TesseraClient(socket: socket)
        let result: Result<R, any Error>
        do {
            result = .success(try await body(client))
        } catch let error as TesseraClientError {
            result = .failure(TesseraError(error))
        } catch {
            result = .failure(error)
        }
        try? await client.shutdown()
        return try result.get()
    }

    /// Refuses options that a server has no part in.
    func refuse(_ options: [(name: String, isGiven: Bool)]) throws {
        guard isGiven, let option = options.first(where: \.isGiven) else { return }
        throw ValidationError(
            "\(option.name) is for a store of one's own, and with --socket it is the server's; leave one of them out")
    }
}

extension TesseraError {
    /// What a server refused, as if the work had been done here.
    init(_ error: TesseraClientError) {
        self.init(Self.code(of: error), error.message)
    }

    private static func code(of error: TesseraClientError) -> Code {
        let named: [Code] = [
            .invalidInput, .unsupported, .corrupt, .notFound, .tooLong, .locked, .full, .busy, .io, .cancelled,
        ]
        if let code = named.first(where: { $0.description == error.detail?.code }) { return code }
        switch error.kind {
        case .unreachable: return .notFound
        case .busy: return .busy
        case .invalidInput, .refused: return .invalidInput
        case .cancelled: return .cancelled
        default: return .io
        }
    }
}
