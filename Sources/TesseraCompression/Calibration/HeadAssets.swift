// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraKV

/// What `tessera calibrate heads` finds out about a model: which heads gather answers, and what eviction costs each layer.
///
/// It belongs to the model's exact weights: fine-tuning moves heads.
public struct HeadAssets: Sendable, Equatable, Codable {
    /// The format that this build writes, and the only one that it reads: it changes with what the numbers are of, too.
    public static let version = 4

    /// The format.
    public var version = HeadAssets.version
    /// The model that it was measured on: the digest of its weights.
    public var weights: String
    /// The query heads of a layer.
    public var queryHeads: Int
    /// The retrieval score of each query head, by layer.
    public var scores: [[Double]]
    /// How much of an answer is lost when a layer alone is evicted from (``CostBudget``): what presses go by.
    public var costs: EvictionCosts
    /// How far a layer's own output is off when it is evicted from, as shares of all layers: CompressKV's measure
    /// (``evictionError(full:compressed:width:epsilon:)``, ``ErrorBudget``), for comparison.
    public var outputErrors: [Double]
    /// The answers that were counted.
    public var samples: Int

    /// Assets of all their parts.
    public init(
        weights: String, queryHeads: Int, scores: [[Double]], costs: EvictionCosts, outputErrors: [Double],
        samples: Int
    ) {
        self.weights = weights
        self.queryHeads = queryHeads
        self.scores = scores
        self.costs = costs
        self.outputErrors = outputErrors
        self.samples = samples
    }

    /// Each layer's best heads.
    public func heads(_ count: Int = 4) -> [[Int]] { scores.map { bestHeads(count, of: $0) } }

    /// How strongly each layer's best heads gather (``CompressKVPress/strengths``).
    public func strengths(_ count: Int = 4) -> [Double] { retrievalStrengths(scores, heads: count) }

    /// The assets as JSON.
    public func encoded() throws(TesseraError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do {
            return Array(try encoder.encode(self))
        } catch {
            throw TesseraError(.invalidInput, "retrieval heads that are not finite can't be kept")
        }
    }

    /// Reads assets for a model.
    ///
    /// - Throws: ``TesseraError`` of code `corrupt` for anything that is not such assets, `unsupported` for another
    ///   format, and `invalidInput` for those of another model or another number of heads or layers.
    public init(_ bytes: [UInt8], for model: ModelDescription) throws(TesseraError) {
        struct Version: Decodable { var version: Int }
        let decoder = JSONDecoder()
        let data = Data(bytes)
        guard let version = try? decoder.decode(Version.self, from: data).version else {
            throw TesseraError(.corrupt, "the retrieval heads can't be read; run `tessera calibrate heads` again")
        }
        guard version <= Self.version else {
            throw TesseraError(
                .unsupported,
                "the retrieval heads are of format \(version), and this build reads up to \(Self.version); use a newer "
                    + "one, or run `tessera calibrate heads` again")
        }
        guard version == Self.version else {
            throw TesseraError(
                .unsupported,
                "the retrieval heads were measured by an earlier version, which knew less; run `tessera calibrate heads` "
                    + "again")
        }
        do {
            self = try decoder.decode(HeadAssets.self, from: data)
        } catch {
            throw TesseraError(.corrupt, "the retrieval heads can't be read; run `tessera calibrate heads` again")
        }
        guard samples >= 0, costs.isConsistent, areShares(outputErrors),
            scores.allSatisfy({ $0.allSatisfy { $0 >= 0 } })
        else {
            throw TesseraError(
                .corrupt, "the retrieval heads contradict themselves; run `tessera calibrate heads` again")
        }
        let again = "run `tessera calibrate heads` for this one"
        guard weights == "\(model.weights)" else {
            throw TesseraError(.invalidInput, "the retrieval heads were measured on another model; \(again)")
        }
        guard queryHeads == model.queryHeads, scores.count == model.layout.layers, costs.layers.count == scores.count,
            outputErrors.count == scores.count, scores.allSatisfy({ $0.count == queryHeads })
        else {
            throw TesseraError(
                .invalidInput,
                "the retrieval heads are of \(scores.count) layers with \(queryHeads) query heads, the model has "
                    + "\(model.layout.layers) with \(model.queryHeads); \(again)")
        }
    }
}
