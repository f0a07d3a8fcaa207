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
        if exact == true, assembly ?? "exact" != "exact" {
            throw Self.refusal("exact", "exact excludes another assembly")
        }
        switch exact == true ? "exact" : assembly {
        case "exact":
            try refuse(given, "is for the assembly stitched or parallel")
            return .exact
        case "parallel":
            try refuse(given.filter { !Self.parallelFields.contains($0) }, "is for the assembly stitched")
            let measured = temperature == nil || scale == nil ? await cache.parallelSettings() : nil
            return .parallel(
                temperature: temperature ?? measured?.temperature ?? 1, scale: scale ?? measured?.scale ?? 1)
        case "stitched": return try stitched()
        case nil:
            guard selector == nil else { return try stitched() }
            try refuse(given, "says nothing without an assembly or a selector")
            return nil
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
        let name = selector ?? "deviation"
        let taken = (Self.selectorFields[name] ?? []) + ["selector", "variants"]
        let chosen = try chosenSelector()
        try refuse(given.filter { !taken.contains($0) }, "is not for the selector \(name)")
        return .stitched(chosen, ratio: ratio ?? 0.15, variants: use)
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

    /// The fields that say how, as far as they are given.
    private var given: [String] {
        let fields: [(String, Bool)] = [
            ("selector", selector != nil), ("ratio", ratio != nil), ("check_layer", checkLayer != nil), ("k", k != nil),
            ("alpha", alpha != nil), ("variants", variants != nil), ("compare", compare != nil),
            ("gradual", gradual != nil), ("score", score != nil), ("focus", focus != nil), ("repairs", repairs != nil),
            ("seed", seed != nil), ("temperature", temperature != nil), ("scale", scale != nil),
        ]
        return fields.filter(\.1).map(\.0)
    }

    /// What each selector takes.
    private static let selectorFields = [
        "firstK": ["k"], "storedScore": ["ratio", "alpha", "score", "focus"],
        "deviation": ["ratio", "check_layer", "compare", "gradual"],
        "deviationAttention": ["ratio", "check_layer", "repairs"], "question": ["ratio"], "random": ["ratio", "seed"],
    ]
    private static let parallelFields = ["temperature", "scale"]

    /// Refuses fields that would be passed over without a word.
    private func refuse(_ fields: [String], _ why: String) throws(APIFailure) {
        if let field = fields.first { throw Self.refusal(field, "\(field) \(why)") }
    }

    private static func refusal(_ field: String, _ message: String) -> APIFailure {
        APIFailure(.badRequest, message, code: "invalidInput", param: "tessera.\(field)")
    }
}
