// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraEviction
import TesseraKV

/// `tessera trace`: traces for the simulator.
struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Make traces for `tessera simulate`, and turn them into other forms.",
        subcommands: [Make.self, Convert.self])
}

extension TraceCommand {
    /// `tessera trace make`.
    struct Make: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Generate a trace; the same options make the same trace on every machine.",
            discussion: """
                zipf: independent requests, popularity by Zipf's law. scan: zipf, interrupted by passes over objects that \
                nobody asks for otherwise. loop: all objects in turn. shift: zipf, with other objects becoming popular. \
                tenants: four namespaces with habits of their own. rag: sessions of questions that retrieve related chunks.
                """)

        @Argument(help: "zipf, scan, loop, shift, tenants or rag.", transform: choice)
        var kind: TracePattern.Kind

        @Option(name: .shortAndLong, help: "The file; its ending tells the form: .csv, or .bin for oracleGeneral.")
        var output: String

        @Option(help: "Distinct objects.")
        var objects = 5000

        @Option(help: "Requests.")
        var requests = 200_000

        @Option(help: "The exponent of popularity; 0.8 for rag and 1 otherwise.")
        var exponent: Double?

        @Option(help: "unit: 1 byte and cost 1 each; chunks: KV of 64 to 512 tokens.", transform: choice)
        var sizes = ChunkSizes.chunks

        @Option(help: "Where chance begins.")
        var seed: UInt64 = 1

        func run() throws {
            let pattern = TracePattern(
                kind, objects: objects, requests: requests, exponent: exponent ?? (kind == .rag ? 0.8 : 1),
                sizes: sizes, seed: seed)
            let count = try write(pattern, to: output)
            try Console.line("\(count) requests written to \(output)")
        }
    }

    /// `tessera trace convert`.
    struct Convert: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Turn a trace into another form.")

        @Argument(help: "The trace.", completion: .file())
        var input: String

        @Option(name: .shortAndLong, help: "The file; its ending tells the form: .csv, or .bin for oracleGeneral.")
        var output: String

        @Option(help: "The form of the trace, if it can't be told from the file.", transform: traceFormat)
        var format: TraceFormat?

        func run() throws {
            let count = try write(TraceFile(input, format: format), to: output)
            try Console.line("\(count) requests written to \(output)")
        }
    }
}

private func write(_ trace: some Trace, to path: String) throws -> Int {
    try path.hasSuffix(".bin") ? OracleGeneralTrace.write(trace, to: path) : CSVTrace.write(trace, to: path)
}

private func choice<Value: RawRepresentable<String> & CaseIterable>(_ name: String) throws -> Value {
    guard let value = Value(rawValue: name) else {
        let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("\(name) is none of \(names)")
    }
    return value
}
