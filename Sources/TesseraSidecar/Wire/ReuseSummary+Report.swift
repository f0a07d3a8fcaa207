// SPDX-License-Identifier: Apache-2.0

package import Tessera
package import TesseraAPI

extension ReuseSummary {
    /// What a report says, as it goes over the wire.
    ///
    /// - Parameter explains: Whether it says why, too.
    package init(_ report: ReuseReport, explains: Bool) {
        self.init(assembly: report.assembly, provenance: report.provenance.rawValue)
        (selector, ratio, checkLayer, alpha) = (report.selector, report.ratio, report.checkLayer, report.alpha)
        (temperature, scale) = (report.temperature, report.scale)
        (promptTokens, prefixTokens) = (report.promptTokens, report.prefixTokens)
        (reusedTokens, recomputedTokens) = (report.reusedTokens, report.recomputedTokens)
        evictedTokens = report.evictedTokens > 0 ? report.evictedTokens : nil
        (effectiveRecompute, repairedTokens) = (report.effectiveRecompute, report.repairedTokens)
        (hits, contextualHits, unscoredHits) = (report.hits, report.contextualHits, report.unscoredHits)
        (focusedContexts, misses, bytesLoaded) = (report.focusedContexts, report.misses, report.bytesLoaded)
        timeToFirstToken = report.timeToFirstToken
        stages = Stages(report.stages)
        pressed = report.pressed.map {
            Pressed(
                press: $0.press, budget: $0.budget, keptTokens: $0.keptTokens, fewest: $0.fewest, most: $0.most,
                bytesBefore: $0.bytesBefore, bytesAfter: $0.bytesAfter)
        }
        if explains { explanation = Explanation(report.explanation) }
    }
}

extension ReuseSummary.Stages {
    fileprivate init(_ stages: ReuseReport.Stages) {
        self.init()
        (retrieve, tokenize, queue, plan) = (stages.retrieve, stages.tokenize, stages.queue, stages.plan)
        (load, prefill, stall) = (stages.load, stages.prefill, stages.stall)
        (press, decode) = (stages.press, stages.decode)
    }
}

extension ReuseSummary.Explanation {
    fileprivate init(_ explanation: Tessera.Explanation) {
        self.init(
            path: explanation.path.rawValue, reason: explanation.reason,
            estimates: explanation.estimates.map {
                .init(path: $0.path.rawValue, load: $0.load, compute: $0.compute)
            },
            contexts: explanation.contexts.map {
                .init(
                    source: $0.source.rawValue, tokens: $0.tokens, reason: $0.reason, recomputed: $0.recomputed,
                    variants: $0.variants, overlap: $0.overlap, orderPenalty: $0.orderPenalty, overhead: $0.overhead)
            })
    }
}
