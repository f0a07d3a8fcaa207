// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// The presses that can be asked for by name.
public struct PressCatalog {
    /// A press as the list has it.
    public struct Entry: Sendable {
        /// The name.
        public var name: String
        /// What it keeps, for people.
        public var summary: String
        /// Whether it wants to know the question: such a press is of no use before there is one.
        public var wantsQuestion: Bool
        /// Makes the plan; a press that wants the model's assets asks for them.
        var plan: @Sendable (PressBudget, () throws(TesseraError) -> HeadAssets?) throws(TesseraError) -> PressPlan
    }

    /// All presses.
    public static let entries: [Entry] = [
        Entry("compresskv", "what retrieval heads look at (CompressKV)", wantsQuestion: true) {
            budget, assets throws(TesseraError) in
            guard let assets = try assets() else {
                throw TesseraError(
                    .notFound, "compresskv needs the model's retrieval heads; run `tessera calibrate heads` first")
            }
            return PressPlan(
                CompressKVPress(heads: assets.heads(), strengths: assets.strengths()), budget: budget,
                layers: CostBudget(costs: assets.costs))
        },
        Entry("gui-kv", "what matters of screenshots (GUI-KV)", wantsQuestion: true) {
            PressPlan(GUIKVPress(), budget: $0)
        },
        Entry("snapkv", "what the last tokens look at (SnapKV)", wantsQuestion: true) {
            PressPlan(SnapKVPress(), budget: $0)
        },
        Entry("pyramidkv", "SnapKV, more of it in low layers (PyramidKV)", wantsQuestion: true) {
            PressPlan(SnapKVPress(), budget: $0, layers: PyramidBudget(), name: "pyramidkv")
        },
        Entry("tova", "what the last token looks at (TOVA)", wantsQuestion: true) {
            PressPlan(TOVAPress(), budget: $0)
        },
        Entry("streamingllm", "the first and the last tokens (StreamingLLM)") {
            PressPlan(StreamingLLMPress(), budget: $0)
        },
        Entry("h2o", "what got most attention, and the last tokens (H2O)") { PressPlan(H2OPress(), budget: $0) },
        Entry("keydiff", "keys unlike the others (KeyDiff)") { PressPlan(Protecting(KeyDiffPress()), budget: $0) },
        Entry("lagkv", "what stands out from what follows (LagKV)") { PressPlan(Protecting(LagKVPress()), budget: $0) },
        Entry("expected", "what queries to come will look at (Expected Attention)") {
            PressPlan(Protecting(ExpectedAttentionPress()), budget: $0)
        },
        Entry("kvzip", "what is needed to repeat the prompt (KVzip)") {
            PressPlan(Protecting(KVzipPress()), budget: $0, layers: ThresholdBudget())
        },
        Entry("random", "tokens drawn at random") { PressPlan(Protecting(RandomPress()), budget: $0) },
    ]

    /// The names of all.
    public static var names: [String] { entries.map(\.name) }

    /// The plan of a press: its paper's, with the numbers that the press's type has by default.
    ///
    /// - Parameters:
    ///   - name: One of ``names``.
    ///   - budget: How much stays.
    ///   - assets: What was measured of the model, nil where nothing was; only looked for where the press goes by it.
    /// - Throws: ``TesseraError`` of code `invalidInput` for an unknown name, `notFound` for a press whose assets are not
    ///   there.
    public static func plan(
        named name: String, budget: PressBudget,
        assets: @autoclosure () throws(TesseraError) -> HeadAssets? = nil
    ) throws(TesseraError) -> PressPlan {
        try budget.validate()
        guard let entry = entries.first(where: { $0.name == name }) else {
            throw TesseraError(
                .invalidInput, "there is no press “\(name)”; choose one of \(names.joined(separator: ", "))")
        }
        return try entry.plan(budget, assets)
    }
}

extension PressCatalog.Entry {
    fileprivate init(
        _ name: String, _ summary: String, wantsQuestion: Bool = false,
        plan:
            @escaping @Sendable (PressBudget, () throws(TesseraError) -> HeadAssets?) throws(TesseraError) -> PressPlan
    ) {
        (self.name, self.summary, self.wantsQuestion, self.plan) = (name, summary, wantsQuestion, plan)
    }

    fileprivate init(
        _ name: String, _ summary: String, wantsQuestion: Bool = false,
        plan: @escaping @Sendable (PressBudget) -> PressPlan
    ) {
        self.init(name, summary, wantsQuestion: wantsQuestion) { budget, _ in plan(budget) }
    }
}
