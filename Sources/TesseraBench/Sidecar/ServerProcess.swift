// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// A sidecar in a process of its own, for a bench.
final class ServerProcess {
    /// Its socket.
    let socket: String
    private let process = Process()

    /// Starts `tessera serve` and waits until it answers.
    ///
    /// - Parameters:
    ///   - model: The model file.
    ///   - folder: Where store and socket go.
    ///   - core: The core that it is held on; nil for all.
    ///   - settings: The environment's settings.
    init(model: String, folder: URL, core: Int?, settings: [String: String]) throws(TesseraError) {
        socket = folder.appendingPathComponent("run/bench.sock").path
        let serve = [
            "/proc/\(ProcessInfo.processInfo.processIdentifier)/exe", "serve", "--model", model, "--store",
            folder.appendingPathComponent("store").path, "--socket", socket, "--log-level", "warning",
        ]
        // It ends with the bench, however that ends.
        let command =
            ["/usr/bin/setpriv", "--pdeathsig", "TERM"] + (core.map { ["taskset", "-c", String($0)] } ?? []) + serve
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.environment = ProcessInfo.processInfo.environment.merging(settings) { $1 }
        do { try process.run() } catch {
            throw TesseraError(.io, "couldn't start \(command[0]): \(error.localizedDescription)")
        }
        for _ in 0..<600 {
            if let connection = try? RawConnection(socket),
                (try? connection.exchange(RawConnection.request("GET", "/healthz")))?.status == 200
            {
                return
            }
            guard process.isRunning else { break }
            Thread.sleep(forTimeInterval: 0.1)
        }
        stop()
        throw TesseraError(.io, "the server of the bench did not come up")
    }

    /// Ends it and waits for it.
    func stop() {
        guard process.isRunning else { return }
        process.terminate()
        process.waitUntilExit()
    }

    deinit { stop() }
}
