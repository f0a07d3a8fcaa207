// SPDX-License-Identifier: Apache-2.0

public import Tessera
public import TesseraCompression
public import TesseraKV

extension CompressionBench {
    /// Presses of texts that know the question, at each budget.
    ///
    /// - Parameter assets: What was measured of the model; nil to leave CompressKV out.
    public static func known(
        _ budgets: [PressBudget], assets: HeadAssets?, suite: String
    ) throws(TesseraError) -> CompressionBench {
        CompressionBench(
            suite: suite, try CompressionMethod.questionKnown(budgets: budgets, assets: assets), questionKnown: true)
    }

    /// Presses of screenshots, which know the question, at each budget.
    public static func screenshots(
        _ budgets: [PressBudget], suite: String
    ) throws(TesseraError) -> CompressionBench {
        CompressionBench(suite: suite, try CompressionMethod.screenshots(budgets: budgets), questionKnown: true)
    }

    /// Presses that know no question, at each budget, and codecs.
    ///
    /// - Parameter bases: Directions of this model's keys and values, by the share of ranks that they keep.
    public static func withheld(
        _ budgets: [PressBudget], bases: [(share: Double, basis: LowRankBasis)] = [], suite: String
    ) throws(TesseraError) -> CompressionBench {
        let lowRank = bases.map { share, basis in
            CompressionMethod(LowRankCodec(basis: basis), name: "lowrank, \(Int((100 * share).rounded())) % of ranks")
        }
        return CompressionBench(
            suite: suite,
            try CompressionMethod.questionWithheld(budgets: budgets)
                + StoreCodec.allCases.map { CompressionMethod($0.codec) } + lowRank, questionKnown: false)
    }

    /// Directions of a model's keys and values of the quality gate's contexts, at the shares that the bench compares.
    public static func bases(
        of cache: ContextCache
    ) throws(TesseraError) -> [(share: Double, basis: LowRankBasis)] {
        let texts = QualitySuite.builtIn.prefix(64).flatMap(\.contexts)
        var bases: [(share: Double, basis: LowRankBasis)] = []
        for share in [0.75, 0.5] {
            bases.append((share, try LowRankBasis(of: texts, share: share, on: cache.runtime)))
        }
        return bases
    }
}
