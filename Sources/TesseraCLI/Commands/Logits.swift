// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Tessera
import TesseraKV

/// `tessera logits`: what the model computes for a prompt under any assembly, for anyone who checks us from outside.
struct Logits: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a prompt's logits under any assembly.",
        discussion: """
            With --tokens the prompt is a JSON list of token ids, computed as it is by a full prefill, nothing added. With \
            --segments it is laid out as ask would: by the model's chat template where it has one, behind the \
            beginning-of-sequence token where the model wants one. It is a JSON list of {"role": "system"|"context"|"question", "text": … or "tokens": […]}; contexts that the store \
            lacks are computed and kept first. Without --store a temporary one is used. exact may begin behind a leading \
            run that the store keeps, whose KV is rounded to fp16; with --all it computes every position itself.
            """)

    @OptionGroup var modelOptions: ModelOptions
    @OptionGroup var assemblyOptions: AssemblyOptions

    @Option(
        help: "A file with a JSON list of token ids; - for standard input.", completion: .file(extensions: ["json"]))
    var tokens: String?

    @Option(help: "A file with a JSON list of segments; - for standard input.", completion: .file(extensions: ["json"]))
    var segments: String?

    @Option(help: "The folder of the store. By default a temporary one.", completion: .directory)
    var store: String?

    @Option(help: "The namespace of the chunks.")
    var namespace = "default"

    @Option(help: "The neutral text that chunks are encoded behind. By default the beginning-of-sequence token alone.")
    var recipe: String?

    @Flag(help: "The logits of every computed position rather than of the last one.")
    var all = false

    @Option(
        help: "Write the logits to this NumPy file, (position, vocabulary) in fp32.",
        completion: .file(extensions: ["npy"]))
    var npy: String?

    @Flag(help: "Print the prompt's ids, the logits (unless --npy takes them) and the report as JSON.")
    var json = false

    func validate() throws {
        guard (tokens == nil) != (segments == nil) else { throw ValidationError("give either --tokens or --segments") }
    }

    func run() async throws {
        let result = try await withStore { folder in
            var options = try StoreOptions.parse([])
            options.namespace = namespace
            options.recipe = recipe
            return try await compute(with: try options.open(modelOptions, at: folder))
        }
        guard result.logits.allSatisfy(\.isFinite) else {
            throw TesseraError(
                .corrupt, "\(try modelOptions.file()) computes logits that are no numbers: its weights are damaged")
        }
        if let path = npy {
            let data = TesseraCLI.npy(
                result.logits, rows: result.slots.count, columns: result.logits.count / max(1, result.slots.count))
            try writeFile(data, to: path)
        }
        try printResult(result)
    }

    private struct Result {
        var tokens: [TokenID]
        var logits: [Float]
        var slots: [Int]
        var report: ReuseReport
    }

    private func compute(with cache: ContextCache) async throws -> Result {
        if let tokens {
            let ids = try readJSON([TokenID].self, from: readData(at: tokens), named: tokens)
            let (logits, slots, report) = try await cache.logits(ofTokens: ids, all: all)
            return Result(tokens: ids, logits: logits, slots: slots, report: report)
        }
        let path = segments ?? "-"
        let parts = try readJSON([SegmentFile].self, from: readData(at: path), named: path)
        let prompt = try SegmentFile.prompt(of: parts)
        let assembly = await assemblyOptions.value(on: cache) ?? .default
        if assembly != .exact { try await cache.ingest(contextsOf: prompt) }
        let (logits, slots, report) = try await cache.logits(of: prompt, assembly: assembly, all: all)
        return Result(tokens: try cache.tokens(of: prompt), logits: logits, slots: slots, report: report)
    }

    private func printResult(_ result: Result) throws {
        struct Output: Encodable {
            var tokens: [TokenID]
            var positions: [Int]
            var logits: [[Float]]?
            var report: ReuseReport
        }
        let columns = result.logits.count / max(1, result.slots.count)
        let rows = stride(from: 0, to: result.logits.count, by: columns).map { Array(result.logits[$0..<$0 + columns]) }
        if json {
            try Console.line(
                try TesseraCLI.json(
                    Output(
                        tokens: result.tokens, positions: result.slots, logits: npy == nil ? rows : nil,
                        report: result.report)))
            return
        }
        for (slot, row) in zip(result.slots, rows) {
            let top = row.indices.sorted { row[$0] > row[$1] }.prefix(5)
            try Console.line("position \(slot): " + top.map { "\($0) (\(row[$0]))" }.joined(separator: ", "))
        }
        try Console.line(describe(result.report))
    }

    private func withStore<R>(_ body: (String) async throws -> R) async throws -> R {
        if let store { return try await body(store) }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        return try await body(folder.path)
    }
}

/// One segment of a prompt in a JSON file.
struct SegmentFile: Decodable {
    enum Role: String, Decodable { case system, context, question }
    var role: Role
    var text: String?
    var tokens: [TokenID]?

    private func segment(_ number: Int) throws -> Prompt.Segment {
        switch (text, tokens) {
        case (let text?, nil): return .text(text)
        case (nil, let tokens?): return .tokens(tokens)
        default: throw TesseraError(.invalidInput, "segment \(number) has either \"text\" or \"tokens\"")
        }
    }

    /// The prompt of a list of segments: at most one system text in front, contexts, and one question at the end.
    static func prompt(of parts: [SegmentFile]) throws -> Prompt {
        var prompt = Prompt(system: nil, contexts: [], question: .tokens([]))
        var stage = Role.system
        for (number, part) in parts.enumerated() {
            let segment = try part.segment(number)
            switch (part.role, stage) {
            case (.system, .system) where prompt.system == nil: prompt.system = segment
            case (.context, .system), (.context, .context):
                prompt.contexts.append(segment)
                stage = .context
            case (.question, .system), (.question, .context):
                prompt.question = segment
                stage = .question
            default:
                throw TesseraError(
                    .invalidInput,
                    "segment \(number) (\(part.role.rawValue)) is out of order: system, contexts, question")
            }
        }
        guard stage == .question else { throw TesseraError(.invalidInput, "the segments have no question") }
        return prompt
    }
}
