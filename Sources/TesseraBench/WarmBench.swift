// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import Tessera
internal import TesseraKV
internal import TesseraRetrieval

/// `tessera bench warm`: what a second warm-up of an unchanged folder costs against the first.
public struct WarmBench: Sendable {
    /// One warm-up, from opening model and store to closing them.
    public struct Result: Sendable, Codable {
        /// Which one.
        public var name: String
        /// Chunks that it computed.
        public var computedChunks: Int
        /// Seconds that it took.
        public var seconds: Double
        /// Seconds of the first; nil for the first itself.
        public var reference: Double?
        /// `seconds` ÷ `reference`.
        public var ratio: Double?
    }

    /// What the bench found.
    public struct Report: Sendable, Codable {
        /// Chunks in the folder.
        public var chunks: Int
        /// Tokens of these.
        public var tokens: Int
        /// One entry per warm-up.
        public var results: [Result]
    }

    /// Chunks in the folder, at least.
    public var chunks = 10_000
    /// Words of a chunk.
    public var words = 60

    /// The bench of the README: 10,000 chunks of 60 words.
    public init() {}

    /// Writes documents, warms them twice, and removes them.
    ///
    /// - Parameters:
    ///   - folder: Where the documents go for the time of the run; it must not exist.
    ///   - open: Opens a cache over an empty store the first time, over the same store the second.
    ///   - progress: Told what runs now.
    public func run(
        in folder: URL, progress: (String) -> Void = { _ in }, open: () throws -> ContextCache
    ) async throws -> Report {
        defer { try? FileManager.default.removeItem(at: folder) }
        progress("writing \(chunks) chunks")
        try writeDocuments(to: folder)
        var report = Report(chunks: 0, tokens: 0, results: [])
        for name in ["first warm-up", "second warm-up"] {
            progress(name)
            var watch = Stopwatch()
            let cache = try open()
            let index = try cache.documentIndex(options: ChunkingOptions(limit: 512, paragraphs: .separate))
            try index.sync([folder.path])
            let plan = try await cache.warmPlan(of: index, under: [folder.path])
            let done = try await cache.warm(index, under: [folder.path])
            await cache.close()
            let seconds = watch.lap()
            let first = report.results.first?.seconds
            (report.chunks, report.tokens) = (plan.chunks, plan.tokens)
            report.results.append(
                Result(
                    name: name, computedChunks: done.chunks, seconds: seconds, reference: first,
                    ratio: first.map { seconds / $0 }))
        }
        return report
    }

    /// Text files of twenty paragraphs, each a chunk that no other equals.
    private func writeDocuments(to folder: URL) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var generator = SplitMix64(seed: 23)
        let text = "the river mill and town of clock lives in red old boat by who makes ropes market a works"
        let vocabulary = text.split(separator: " ")
        var written = 0
        while written < chunks {
            let paragraphs = (0..<min(20, chunks - written)).map { number in
                let words = (0..<words).map { _ in vocabulary[Int.random(in: vocabulary.indices, using: &generator)] }
                return "Note \(written + number) says: " + words.joined(separator: " ") + "."
            }
            let file = folder.appendingPathComponent("\(written).txt")
            try paragraphs.joined(separator: "\n\n").write(to: file, atomically: false, encoding: .utf8)
            written += paragraphs.count
        }
    }
}
