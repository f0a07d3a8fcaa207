// SPDX-License-Identifier: Apache-2.0

public import TesseraCompression
public import TesseraKV

extension CompressionBench {
    /// Presses that know the question, at each budget.
    ///
    /// - Parameters:
    ///   - assets: What was measured of the model; nil to leave CompressKV out.
    ///   - frames: Whether prompts show screenshots.
    public static func known(
        _ budgets: [PressBudget], assets: HeadAssets?, frames: Bool = false, suite: String
    ) throws(TesseraError) -> CompressionBench {
        CompressionBench(
            suite: suite, try CompressionMethod.questionKnown(budgets: budgets, assets: assets, frames: frames),
            questionKnown: true)
    }

    /// Presses that know no question, at each budget, and codecs.
    public static func withheld(_ budgets: [PressBudget], suite: String) throws(TesseraError) -> CompressionBench {
        CompressionBench(
            suite: suite,
            try CompressionMethod.questionWithheld(budgets: budgets)
                + StoreCodec.allCases.map { CompressionMethod($0.codec) }, questionKnown: false)
    }
}
