// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Tessera
internal import TesseraAPI
internal import TesseraKV

extension ReuseOptions {
    /// The assembly that was asked for; nil for what the quality gate has passed.
    ///
    /// - Throws: ``APIFailure`` of status 400 for words that are none and for fields that go unused.
    func chosenAssembly(on cache: ContextCache) async throws -> Assembly? {
        if exact == true {
            guard assembly == nil || assembly == "exact", selector == nil else {
                throw Self.refusal("exact", "exact excludes another assembly and a selector")
            }
            return .exact
        }
        switch assembly {
        case "exact":
            guard selector == nil else { throw Self.refusal("selector", "a selector is for the assembly stitched") }
            return .exact
        case "parallel":
            guard selector == nil else { throw Self.refusal("selector", "a selector is for the assembly stitched") }
            let measured = temperature == nil || scale == nil ? await cache.parallelSettings() : nil
            return .parallel(
                temperature: temperature ?? measured?.temperature ?? 1, scale: scale ?? measured?.scale ?? 1)
        case "stitched": return try stitched()
        case nil: return selector == nil ? try requireNothing() : try stitched()
        case let other?:
            throw Self.refusal("assembly", "an assembly is exact, stitched or parallel, not \(other)")
        }
    }

    private func stitched() throws(APIFailure) -> Assembly {
        let use: VariantUse
        switch variants {
        case nil: use = selector == "storedScore" ? .best : .isolated
        case let name?:
            guard let named = VariantUse(rawValue: name) else {
                throw Self.refusal("variants", "variants are best, isolated or contextual, not \(name)")
            }
            use = named
        }
        return .stitched(try chosenSelector(), ratio: ratio ?? 0.15, variants: use)
    }

    private func chosenSelector() throws(APIFailure) -> Selector {
        let layer = checkLayer ?? Selector.firstCheckLayer
        switch selector ?? "deviation" {
        case "none": return .none
        case "firstK": return .firstK(count: k ?? 2)
        case "storedScore":
            let score = try word("score", score, of: StoredScore.Score.self) ?? .peak
            return .storedScore(StoredScore(alpha: alpha, score: score, focuses: focus ?? false))
        case "deviation":
            let compared = try word("compare", compare, of: Selector.Compared.self) ?? .values
            return .deviation(layer: layer, of: compared, gradual: gradual ?? false)
        case "deviationAttention": return .deviationAttention(layer: layer, repairs: repairs ?? 0)
        case "question": return .question
        case "random": return .random(seed: seed ?? 0)
        case "all": return .all
        case let other:
            throw Self.refusal(
                "selector",
                "a selector is none, firstK, storedScore, deviation, deviationAttention, question, random or all, not \(other)"
            )
        }
    }

    private func word<Word: RawRepresentable<String> & CaseIterable>(
        _ field: String, _ text: String?, of type: Word.Type
    ) throws(APIFailure) -> Word? {
        guard let text else { return nil }
        guard let word = Word(rawValue: text) else {
            throw Self.refusal(
                field, "\(field) is \(Word.allCases.map(\.rawValue).joined(separator: " or ")), not \(text)")
        }
        return word
    }

    /// Refuses a ratio and the like where nothing takes it: it would be passed over without a word.
    private func requireNothing() throws(APIFailure) -> Assembly? {
        let given = [
            ("ratio", ratio != nil), ("check_layer", checkLayer != nil), ("k", k != nil), ("alpha", alpha != nil),
            ("variants", variants != nil), ("compare", compare != nil), ("gradual", gradual != nil),
            ("score", score != nil), ("focus", focus != nil), ("repairs", repairs != nil),
            ("temperature", temperature != nil), ("scale", scale != nil),
        ]
        if let (name, _) = given.first(where: \.1) {
            throw Self.refusal(name, "\(name) says nothing without an assembly or a selector")
        }
        return nil
    }

    private static func refusal(_ field: String, _ message: String) -> APIFailure {
        APIFailure(.badRequest, message, code: "invalidInput", param: "tessera.\(field)")
    }
}
