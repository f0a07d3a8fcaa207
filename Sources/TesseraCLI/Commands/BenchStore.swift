// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraBench
import TesseraKV

extension Bench {
    /// `tessera bench store`: the chunk store against the disk and memory under it.
    struct Store: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "store",
            abstract: "What the chunk store makes of the disk and of memory.",
            discussion: """
                Chunks of Llama-3.2-1B's and Llama-3-8B's shapes are published, fetched and placed in a request's buffer. \
                Each figure stands against what the machine does with the same bytes in the same run.
                """)

        @Option(help: "A folder on the disk to measure; a new one beside the default store.", completion: .directory)
        var folder: String?

        @Option(
            help: "The model's shape, 1b or 8b; both by default.",
            transform: { text in
                guard let shape = StoreBench.Shape(rawValue: text) else {
                    throw ValidationError("a shape is 1b or 8b")
                }
                return shape
            })
        var shape: [StoreBench.Shape] = []

        @Option(help: "Bytes of chunks at each shape.")
        var bytes = ByteCount(bytes: 384 << 20)

        @Option(help: "Tokens of each chunk.")
        var chunkTokens = 512

        @Option(help: "How often everything is measured.")
        var rounds = 5

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            guard (1...1024).contains(chunkTokens), (1...1000).contains(rounds), bytes.bytes >= 1 << 20 else {
                throw ValidationError(
                    "--chunk-tokens is 1 to 1024, --rounds is 1 to 1000, and --bytes is at least 1MiB")
            }
        }

        func run() throws {
            var bench = StoreBench()
            if !shape.isEmpty { bench.shapes = shape }
            (bench.chunkTokens, bench.rounds, bench.byteCount) = (chunkTokens, rounds, bytes.bytes)
            let place = folder ?? StoreOptions.defaultStore
            let report = try bench.run(in: URL(fileURLWithPath: place + "-bench-\(getpid())"), progress: Notices.say)
            try Console.line(json ? try TesseraCLI.json(report) : table(report))
        }

        private func table(_ report: StoreBench.Report) -> String {
            var table = Table(["chunks of \(report.chunkTokens) tokens", "GB/s", "reference", "ratio", "goal"])
            for row in report.results {
                table.rows.append([
                    row.name, String(format: "%.2f", row.gigabytesPerSecond),
                    String(format: "%.2f %@", row.reference, row.against), String(format: "%.2f", row.ratio),
                    String(format: "%.1f", row.goal),
                ])
            }
            return table.text
        }
    }

    /// `tessera bench catalog`: finding and opening as a store grows.
    struct Catalog: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "catalog", abstract: "What finding and opening take as a store grows.",
            discussion: "Records of 4 KiB; a million of them take some 6 GB while it runs.")

        @Option(help: "A folder on the disk to measure; a new one beside the default store.", completion: .directory)
        var folder: String?

        @Option(help: "The numbers of chunks at which it is measured.")
        var chunks: [Int] = [10_000, 100_000, 1_000_000]

        @Option(help: "Lookups of 20 keys at each.")
        var lookups = 2000

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            guard lookups >= 100 else { throw ValidationError("--lookups is at least 100") }
            guard chunks.allSatisfy({ $0 >= 20 }), chunks == chunks.sorted() else {
                throw ValidationError("--chunks are numbers from 20, ascending")
            }
        }

        func run() throws {
            var bench = CatalogBench()
            (bench.sizes, bench.lookups) = (chunks, lookups)
            let place = folder ?? StoreOptions.defaultStore
            let report = try bench.run(
                in: URL(fileURLWithPath: place + "-catalog-\(getpid())"), progress: Notices.say)
            try Console.line(json ? try TesseraCLI.json(report) : table(report))
        }

        private func table(_ report: CatalogBench.Report) -> String {
            var table = Table([
                "chunks", "20 lookups ms", "p99 ms", "open s", "after a crash s", "catalog bytes/chunk", "fill s",
            ])
            for row in report.results {
                table.rows.append([
                    "\(row.chunks)", String(format: "%.3f", row.lookupMedian * 1e3),
                    String(format: "%.3f", row.lookupP99 * 1e3), String(format: "%.2f", row.openSeconds),
                    String(format: "%.2f", row.openAfterCrashSeconds),
                    String(format: "%.0f", row.catalogBytesPerChunk), String(format: "%.0f", row.fillSeconds),
                ])
            }
            return table.text
        }
    }
}
