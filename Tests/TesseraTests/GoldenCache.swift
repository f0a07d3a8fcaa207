// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation
import TesseraKV
import TesseraRuntime
import TesseraTestSupport

@testable import Tessera

/// A small model with random weights: its logits are no use, but every invariant holds for it or for none.
let smallModel = fixtures.appendingPathComponent("goldens/gqa4-d32-linear-q8-f16.gguf").path

/// Runs `body` with a cache over the small model and a fresh store.
func withSmallCache<R>(
    model: String = smallModel, options: ContextCacheOptions = ContextCacheOptions(precision: .fp32),
    isolation: isolated (any Actor)? = #isolation, _ body: (ContextCache) async throws -> R
) async throws -> R {
    try await withTemporaryDirectory { folder in
        try await body(
            try ContextCache(model: model, store: folder.appendingPathComponent("store").path, options: options))
    }
}

extension ContextCacheOptions {
    /// Exact arithmetic, behind a recipe.
    static func exactArithmetic(recipe: Recipe = .default, namespace: String = "default") -> ContextCacheOptions {
        ContextCacheOptions(precision: .fp32, namespace: namespace, recipe: recipe)
    }
}

/// A prompt of random ids: a system run, contexts of the given lengths, a question.
func randomPrompt(seed: UInt64, system: Int = 9, contexts: [Int] = [24, 31, 17], question: Int = 11) -> Prompt {
    var generator = SplitMix64(seed: seed)
    func segment(_ count: Int) -> Prompt.Segment {
        .tokens((0..<count).map { _ in TokenID.random(in: 3..<250, using: &generator) })
    }
    return Prompt(
        system: system > 0 ? segment(system) : nil, contexts: contexts.map(segment), question: segment(question))
}

extension Prompt.Segment {
    /// The ids of a segment that was given as ids.
    var ids: [TokenID] {
        if case .tokens(let ids) = self { ids } else { [] }
    }

    /// The segment with one id exchanged for another.
    func changing(_ index: Int) -> Prompt.Segment {
        var ids = ids
        ids[index] = ids[index] == 5 ? 6 : 5
        return .tokens(ids)
    }
}

/// Whether this processor computes in BF16 by default.
let hasBF16 = ck_isa_detected() == CK_ISA_AVX512_BF16
