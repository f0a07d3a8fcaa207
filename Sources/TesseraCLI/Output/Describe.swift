// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tessera

/// A report as lines for people.
func describe(_ report: ReuseReport) -> String {
    var method = report.assembly
    if let selector = report.selector { method += ", \(selector)" }
    if let ratio = report.ratio { method += String(format: " at %.0f %%", ratio * 100) }
    if let layer = report.checkLayer { method += ", checked in layer \(layer)" }
    let stages = report.stages
    return """
        assembly   \(method) (\(report.provenance.rawValue) KV)
        tokens     \(report.promptTokens) in the prompt: \(report.prefixTokens) of a stored prefix, \
        \(report.reusedTokens) of \(report.hits) stored chunks, \(report.misses) chunks missing
        recompute  \(report.recomputedTokens) tokens picked, \
        \(String(format: "%.1f", report.effectiveRecompute * 100)) % of the reused token-layers
        loaded     \(readable(bytes: report.bytesLoaded))
        times      first token \(readable(seconds: report.timeToFirstToken)): \
        retrieve \(readable(seconds: stages.retrieve)), tokenize \(readable(seconds: stages.tokenize)), \
        load \(readable(seconds: stages.load)), prefill \(readable(seconds: stages.prefill)) \
        (\(readable(seconds: stages.stall)) of it waiting for stored KV); \
        then decode \(readable(seconds: stages.decode))
        """
}
