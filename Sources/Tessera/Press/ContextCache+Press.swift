// SPDX-License-Identifier: Apache-2.0

public import TesseraCompression
public import TesseraKV
internal import TesseraStore

extension ContextCache {
    /// A press of the catalog with what was measured of this model.
    ///
    /// - Parameters:
    ///   - name: One of ``PressCatalog/names``.
    ///   - budget: How much stays.
    /// - Throws: ``TesseraError`` as ``PressCatalog/plan(named:budget:assets:)``, and where what was measured belongs to
    ///   another model or can't be read.
    public func press(named name: String, budget: PressBudget) throws(TesseraError) -> PressPlan {
        try PressCatalog.plan(named: name, budget: budget, assets: try headAssets())
    }

    /// What `tessera calibrate heads` measured of this model; nil before.
    ///
    /// - Throws: ``TesseraError`` where it belongs to another model, is of another format, or can't be read.
    public func headAssets() throws(TesseraError) -> HeadAssets? {
        guard let bytes = try store.asset(headsAsset) else { return nil }
        return try HeadAssets(bytes, for: model)
    }

    /// Keeps what was measured of this model.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for assets that don't fit the model, and what the disk refuses.
    public func keep(_ assets: HeadAssets) throws(TesseraError) {
        let bytes = try assets.encoded()
        _ = try HeadAssets(bytes, for: model)
        try store.setAsset(headsAsset, bytes)
    }

    private var headsAsset: String { "heads/\(model.weights.description.prefix(32))" }

    /// Refuses a press that the rest of a request does not allow.
    func check(_ plan: PressPlan, with assembly: Assembly, frames: Bool) throws(TesseraError) {
        try plan.budget.validate()
        switch assembly {
        case .parallel:
            throw TesseraError(
                .unsupported, "a press works on exact and stitched prompts; contexts side by side can't be pressed")
        case .stitched(.deviationAttention(_, let repairs), _, _) where repairs > 0:
            throw TesseraError(.invalidInput, "tokens that a press may evict can't be repaired while decoding")
        default: break
        }
        guard frames || !plan.press.needs.frames else {
            throw TesseraError(
                .invalidInput, "\(plan.name) presses screenshots, and this prompt has none; give it --frames")
        }
        guard !(frames && plan.press.needs.repetition) else {
            throw TesseraError(.unsupported, "\(plan.name) has a prompt repeated, and screenshots can't be")
        }
    }

    /// Slots that a press needs behind a prompt.
    func pressRoom(_ plan: PressPlan?, for ids: [TokenID]) throws(TesseraError) -> Int {
        guard let plan, plan.press.needs.repetition else { return 0 }
        return try Repetition(of: ids, within: model.contextLength - ids.count, tokenizer: tokenizer).room
    }
}
