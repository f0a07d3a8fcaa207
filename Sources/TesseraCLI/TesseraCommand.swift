// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraKV

/// The `tessera` command.
@main
struct TesseraCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tessera",
        abstract: "A context cache for retrieval-augmented generation.",
        discussion: """
            Tessera computes the keys and values (KV) of each chunk of your documents once, keeps them, and stitches \
            them into every prompt that needs them, so that the model starts to answer sooner.

            Fill the cache with `tessera warm`, let `tessera gate` find out what your model can take, ask with `tessera ask`.

            Exit codes: 0 success, 64 wrong usage or input, 65 a damaged file or a prompt that is too long, \
            66 something is not there, 69 not supported, 73 no room on the disk or under the cap, 74 any other \
            input or output error, 75 the store is in use or there is too much to do, 130 cancelled.
            """,
        subcommands: [
            Serve.self, Warm.self, Ask.self, Gate.self, Calibrate.self, StoreCommand.self, Doctor.self, Simulate.self,
            TraceCommand.self, Bench.self, Demo.self, Tokenize.self, Logits.self,
        ])

    static func main() async {
        do {
            do {
                try await run()
            } catch {
                await OpenCaches.close()
                throw error
            }
            await OpenCaches.close()
        } catch let error as TesseraError {
            Console.tell("tessera: \(error.message)\n")
            Foundation.exit(error.code.exitStatus)
        } catch {
            exit(withError: error)
        }
    }

    private static func run() async throws {
        var command = try parseAsRoot()
        if var command = command as? any AsyncParsableCommand {
            try await command.run()
        } else {
            try command.run()
        }
    }
}

extension TesseraError.Code {
    /// The status that the command ends with, after the BSD convention of `sysexits.h`.
    var exitStatus: Int32 {
        switch self {
        case .invalidInput: 64
        case .corrupt, .tooLong: 65
        case .notFound: 66
        case .unsupported: 69
        case .full: 73
        case .locked, .busy: 75
        case .cancelled: 130
        default: 74
        }
    }
}
