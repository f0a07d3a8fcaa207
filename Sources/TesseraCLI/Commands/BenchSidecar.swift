// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraBench
import TesseraKV

extension Bench {
    /// `tessera bench sidecar`: what the server adds.
    struct Sidecar: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sidecar",
            abstract: "What the server adds to what the cache does.",
            discussion: """
                A server of its own process is asked for plans on one core, for chats by many clients at once, and for \
                leases of 100 MB; beside it, for a round trip that does nothing, and a plain copy.
                """)

        @Option(
            name: .shortAndLong, help: "The model that chats are asked of.", completion: .file(extensions: ["gguf"]))
        var model: String

        @Option(help: "A folder for stores and sockets; a new one beside the default store.", completion: .directory)
        var folder: String?

        @Option(help: "Chats at once.")
        var clients = 16

        @Option(help: "Seconds of each measurement.")
        var seconds = 5.0

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            guard (1...512).contains(clients), (0.5...600).contains(seconds) else {
                throw ValidationError("--clients is 1 to 512, --seconds is 0.5 to 600")
            }
        }

        func run() throws {
            var bench = SidecarBench()
            (bench.clients, bench.seconds) = (clients, seconds)
            let place = folder ?? StoreOptions.defaultStore
            let report = try bench.run(
                model: URL(fileURLWithPath: model).path, in: URL(fileURLWithPath: place + "-bench-\(getpid())"),
                progress: Notices.say)
            try Console.line(json ? try TesseraCLI.json(report) : table(report))
        }

        private func table(_ report: SidecarBench.Report) -> String {
            func count(_ rate: Double) -> String { String(format: "%.0f/s", rate) }
            var table = Table(["what", "figure", "baseline in the same run"])
            table.rows = [
                ["plans of 20 ids, one core", count(report.planRate), "\(count(report.idleRate)) of /healthz"],
                ["p99 at half that load", readable(seconds: report.planLatency), ""],
                ["plans of 20 × 512 tokens", count(report.tokenPlanRate), "\(count(report.idleRate)) of /healthz"],
                [
                    "chats of \(report.clients) clients: outside the engine and the queue",
                    "\(readable(seconds: report.overheadMedian)), mean \(readable(seconds: report.overheadMean)), "
                        + "p99 \(readable(seconds: report.overheadTail))",
                    "\(count(report.chatRate)) chats",
                ],
                [
                    "a lease of \(readable(bytes: report.leaseBytes)) from the RAM tier",
                    readable(seconds: report.leaseSeconds), "a plain copy in \(readable(seconds: report.copySeconds))",
                ],
            ]
            return table.text
        }
    }
}
