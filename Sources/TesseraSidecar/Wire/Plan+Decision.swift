// SPDX-License-Identifier: Apache-2.0

internal import Tessera
internal import TesseraAPI
internal import TesseraReuse

extension Plan {
    /// A plan as it goes over the wire.
    init(_ plan: PromptPlan) {
        var (selector, ratio): (String?, Double?) = (nil, nil)
        if case .stitched(let chosen, let share, _) = plan.assembly {
            selector = chosen.name
            ratio = chosen.takesRatio ? share : nil
        }
        self.init(
            assembly: plan.assembly.name, selector: selector, ratio: ratio, reason: plan.reason,
            promptTokens: plan.promptTokens, prefixTokens: plan.prefixTokens,
            chunks: plan.chunks.map { chunk in
                Chunk(
                    id: chunk.key.description, start: chunk.slots.lowerBound, tokens: chunk.slots.count,
                    reuse: plan.reuses(chunk), source: chunk.decision.source.rawValue,
                    reason: plan.reuses(chunk) ? nil : chunk.decision.reason,
                    recomputed: plan.selection.fixed.count { chunk.slots.contains($0) })
            },
            selection: Selection(plan.selection))
    }
}

extension Plan.Selection {
    fileprivate init(_ selection: SelectionPlan) {
        switch selection.choice {
        case .settled:
            self.init(kind: "settled", positions: selection.fixed, measure: nil, stages: [], budget: nil)
        case .question(let budget):
            self.init(kind: "question", positions: selection.fixed, measure: nil, stages: [], budget: budget)
        case .measured(let measure, let stages):
            self.init(
                kind: "measured", positions: selection.fixed, measure: Self.name(of: measure),
                stages: stages.map { Stage(layer: $0.layer, budget: $0.budget) }, budget: nil)
        }
    }

    private static func name(of measure: SelectionPlan.Measure) -> String {
        switch measure {
        case .values: "values"
        case .keys: "keys"
        case .attendedValues: "attendedValues"
        }
    }
}
