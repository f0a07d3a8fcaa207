// SPDX-License-Identifier: Apache-2.0

public import Foundation
internal import TesseraKV
internal import TesseraStore

/// `tessera bench store`: what the chunk store makes of the disk and of memory, each figure against what the machine does
/// with the same bytes in the same run.
public struct StoreBench: Sendable {
    /// One figure.
    public struct Result: Sendable, Codable {
        /// What was measured, and at which shape.
        public var name: String
        /// 10⁹ bytes a second, the median of all rounds: of the records' bytes, or of the request's for *place*.
        public var gigabytesPerSecond: Double
        /// What the reference does, the median.
        public var reference: Double
        /// The median of the rounds' ratios.
        public var ratio: Double
        /// What the reference is.
        public var against: String
        /// The least ratio that is good enough.
        public var goal: Double
    }

    /// What the bench found.
    public struct Report: Sendable, Codable {
        /// Tokens of each chunk.
        public var chunkTokens: Int
        /// Rounds, each of all measurements and their references one after the other.
        public var rounds: Int
        /// The figures.
        public var results: [Result]
    }

    /// A model's shape.
    public enum Shape: String, Sendable, CaseIterable {
        /// Llama-3.2-1B: 16 layers of 1 MiB for 512 tokens.
        case llama1B = "1b"
        /// Llama-3-8B: 32 layers of 2 MiB for 512 tokens.
        case llama8B = "8b"

        var layout: KVLayout {
            switch self {
            case .llama1B: KVLayout(layers: 16, heads: 8, headDimension: 64)
            case .llama8B: KVLayout(layers: 32, heads: 8, headDimension: 128)
            }
        }
    }

    /// The shapes that are measured.
    public var shapes = Shape.allCases
    /// Tokens of each chunk.
    public var chunkTokens = 512
    /// Bytes of chunks at each shape.
    public var byteCount = 384 << 20
    /// How often everything is measured.
    public var rounds = 5

    /// The bench of the README.
    public init() {}

    /// Measures in a folder of its own, which is deleted afterwards.
    public func run(in folder: URL, progress: (String) -> Void = { _ in }) throws -> Report {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var results: [Result] = []
        for shape in shapes {
            let work = try StoreWork(
                layout: shape.layout, tokens: chunkTokens, byteCount: byteCount,
                folder: folder.appendingPathComponent(shape.rawValue))
            var samples: [[Sample]] = []
            for round in 1...rounds {
                progress("\(shape.rawValue), round \(round) of \(rounds)")
                samples.append(try work.round())
            }
            try work.finish()
            for index in samples[0].indices {
                let column = samples.map { $0[index] }
                results.append(
                    Result(
                        name: "\(column[0].name) \(shape.rawValue)", gigabytesPerSecond: median(column.map(\.rate)),
                        reference: median(column.map(\.reference)),
                        ratio: median(column.map { $0.rate / $0.reference }), against: column[0].against,
                        goal: column[0].goal))
            }
        }
        return Report(chunkTokens: chunkTokens, rounds: rounds, results: results)
    }

    /// One measurement and its reference, in 10⁹ bytes a second.
    struct Sample {
        var name: String
        var rate: Double
        var reference: Double
        var against: String
        var goal: Double
    }
}
