// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Tessera
internal import TesseraKV

/// `tessera bench memory`: the most memory that a model takes, against its file's size.
public struct MemoryBench: Sendable {
    /// What the bench found, in bytes.
    public struct Report: Sendable, Codable {
        /// The most resident memory of the process so far.
        public var peakBytes: Int
        /// The model's file.
        public var modelBytes: Int
        /// The prompt's keys and values.
        public var kvBytes: Int
        /// What the process may take beside model and KV.
        public var allowanceBytes: Int
        /// (peak − KV − allowance) ÷ file.
        public var ratio: Double
    }

    /// The prompt that is prefilled.
    public var promptTokens = 2048

    /// The bench of the README: 2,048 tokens.
    public init() {}

    /// Prefills one prompt and reads the peak off the process, which should have done nothing else.
    public func run(on cache: ContextCache, modelFile: String) async throws -> Report {
        var generator = SplitMix64(seed: 11)
        let vocabulary = TokenID(cache.model.vocabulary)
        _ = try await cache.prefillSeconds(
            of: (0..<promptTokens).map { _ in TokenID.random(in: 2..<vocabulary, using: &generator) })
        let attributes = try FileManager.default.attributesOfItem(atPath: modelFile)
        let layout = cache.model.layout
        let kv = 2 * layout.layers * layout.width * promptTokens * MemoryLayout<Float>.size
        let (peak, file, allowance) = (try peakResidentBytes(), (attributes[.size] as? Int) ?? 0, 256 << 20)
        return Report(
            peakBytes: peak, modelBytes: file, kvBytes: kv, allowanceBytes: allowance,
            ratio: Double(peak - kv - allowance) / Double(max(1, file)))
    }
}

/// The high-water mark of this process's resident memory, as the kernel counts it: pages of mapped files included.
func peakResidentBytes() throws(TesseraError) -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
        let kibibytes = line.split(separator: " ").compactMap({ Int($0) }).first
    else { throw TesseraError(.unsupported, "this system does not tell the peak memory of a process") }
    return kibibytes << 10
}
