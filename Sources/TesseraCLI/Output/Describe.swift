// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tessera
import TesseraAPI
import TesseraSidecar

/// A report as lines for people.
func describe(_ report: ReuseReport) -> String {
    describe(ReuseSummary(report, explains: false))
}

/// The same of what a server reports.
func describe(_ report: ReuseSummary) -> String {
    var method = report.assembly
    if let selector = report.selector { method += ", \(selector)" }
    if let ratio = report.ratio { method += String(format: " at %.0f %%", ratio * 100) }
    if let alpha = report.alpha { method += String(format: " with alpha %.2f", alpha) }
    if let layer = report.checkLayer { method += ", checked in layer \(layer)" }
    if let temperature = report.temperature, let scale = report.scale {
        method += String(format: ", temperature %.2f, scale %.2f", temperature, scale)
    }
    var recompute = "\(report.recomputedTokens) tokens picked"
    if report.unscoredHits > 0 { recompute += " (by deviation in \(report.unscoredHits) chunks that have no scores)" }
    if let evicted = report.evictedTokens { recompute += ", \(evicted) that stored chunks lack" }
    if let focused = report.focusedContexts { recompute += ", \(focused) chunks in focus" }
    if report.repairedTokens > 0 { recompute += ", \(report.repairedTokens) more while answering" }
    let stages = report.stages
    return """
        assembly   \(method) (\(report.provenance) KV)
        tokens     \(report.promptTokens) in the prompt: \(report.prefixTokens) of a stored prefix, \
        \(report.reusedTokens) of \(report.hits) stored chunks (\(report.contextualHits) behind others), \
        \(report.misses) chunks missing
        recompute  \(recompute), \
        \(String(format: "%.1f", report.effectiveRecompute * 100)) % of the reused token-layers
        loaded     \(readable(bytes: report.bytesLoaded))
        times      first token \(readable(seconds: report.timeToFirstToken)): \
        retrieve \(readable(seconds: stages.retrieve)), tokenize \(readable(seconds: stages.tokenize)), \
        plan \(readable(seconds: stages.plan)), load \(readable(seconds: stages.load)), prefill \(readable(seconds: stages.prefill)) \
        (\(readable(seconds: stages.stall)) of it waiting for stored KV); \
        then decode \(readable(seconds: stages.decode))
        """
}

/// What a press left, as a line for people.
func describe(_ report: ReuseSummary.Pressed) -> String {
    let kept = String(format: "%.1f", report.keptTokens)
    return "press      \(report.press) at \(report.budget): \(kept) tokens stay in each layer (\(report.fewest) to "
        + "\(report.most)), \(readable(bytes: report.bytesBefore)) become \(readable(bytes: report.bytesAfter))"
}

/// An explanation as lines for people.
func describe(_ explanation: ReuseSummary.Explanation) -> String {
    var lines = ["path       \(explanation.path): \(explanation.reason)"]
    for estimate in explanation.estimates {
        lines.append(
            "estimate   \(estimate.path) \(readable(seconds: estimate.load + estimate.compute)): load "
                + "\(readable(seconds: estimate.load)), compute \(readable(seconds: estimate.compute))")
    }
    for (number, context) in explanation.contexts.enumerated() {
        var line = "context \(number + 1)  \(context.source), \(context.tokens) tokens: \(context.reason)"
        if let overlap = context.overlap, let order = context.orderPenalty, let overhead = context.overhead {
            line += String(format: "; overlap %.2f, order penalty %.2f, fix overhead %.2f", overlap, order, overhead)
        }
        if context.variants > 0 { line += "; \(context.variants) variants compared" }
        lines.append(line + "; \(context.recomputed) tokens computed")
    }
    return lines.joined(separator: "\n")
}
