// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraBench

/// A compression report in Markdown.
struct CompressionText {
    private let report: CompressionReport

    init(_ report: CompressionReport) {
        self.report = report
    }

    var markdown: String {
        report.suites.map { suite in
            let questions = suite.questions.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
            return """
                \(suite.name), \(suite.model): \(questions.joined(separator: ", ")) questions about \(suite.prompts) \
                prompts of \(suite.promptTokens[0]) to \(suite.promptTokens[2]) tokens (\(suite.promptTokens[1]) in the \
                middle)

                Question known:

                \(figures(suite, questionKnown: true))

                \(ahead(suite))
                """ + withheld(suite)
        }.joined(separator: "\n\n") + recompute + codecs
    }

    private var recompute: String {
        guard let first = report.recompute.first else { return "" }
        var table = Table(["codec", "same tokens"])
        for row in report.recompute { table.rows.append([row.codec, percent(row.sameTokens)]) }
        return """


            Of the tokens that selective recompute picks over fp16, so many it picks over the codec too, in % \
            (\(first.prompts) prompts):

            \(table.text)
            """
    }

    private var codecs: String {
        guard let first = report.codecs.first else { return "" }
        var table = Table([
            "codec", "heads × dimension", "bytes per token", "to fp16", "key error", "value error", "encode GB/s",
            "decode GB/s", "memcpy GB/s",
        ])
        for row in report.codecs {
            table.rows.append([
                row.codec, "\(row.heads) × \(row.headDimension)", String(format: "%.0f", row.bytesPerToken),
                String(format: "%.3f", row.ratioToFP16), String(format: "%.4f", row.keyError),
                String(format: "%.4f", row.valueError), String(format: "%.2f", row.encode),
                String(format: "%.2f", row.decode), String(format: "%.2f", row.memcpy),
            ])
        }
        return """


            Codecs, chunks of \(first.tokens) tokens, one layer, GB of fp16 a second on one core:

            \(table.text)
            """
    }

    private func withheld(_ suite: CompressionReport.Suite) -> String {
        guard report.results.contains(where: { $0.suite == suite.name && !$0.questionKnown }) else { return "" }
        return "\n\nQuestion withheld:\n\n" + figures(suite, questionKnown: false)
    }

    private func figures(_ suite: CompressionReport.Suite, questionKnown: Bool) -> String {
        let kinds = suite.questions.keys.sorted()
        var table = Table(
            ["method", "budget"] + kinds + [
                "all", "points lost", "KL mean", "KL p95", "bytes per token", "to fp16",
                "attention saved", "decode speed",
            ])
        for row in report.results where row.suite == suite.name && row.questionKnown == questionKnown {
            table.rows.append(
                [row.method, row.budget ?? ""] + kinds.map { percent(row.exactMatch[$0] ?? 0) }
                    + [
                        percent(row.stepAccuracy), interval(row.loss), String(format: "%.4f", row.klMean),
                        String(format: "%.3f", row.klP95), String(format: "%.0f", row.bytesPerToken),
                        String(format: "%.3f", row.ratioToFP16),
                        row.codec == nil ? percent(row.attentionSaved) : "",
                        row.decodeSpeed.map { String(format: "%.2f", $0) } ?? "",
                    ])
        }
        return table.text
    }

    private func ahead(_ suite: CompressionReport.Suite) -> String {
        var table = Table(["ahead", "budget", "of", "points"])
        for row in report.comparisons where row.suite == suite.name && row.questionKnown {
            table.rows.append([row.method, row.budget, row.than, interval(row.ahead)])
        }
        return table.text
    }

    private func interval(_ difference: PairedBootstrap) -> String {
        String(format: "%.1f (%.1f … %.1f)", difference.points, difference.low, difference.high)
    }

    private func percent(_ share: Double) -> String { String(format: "%.1f", 100 * share) }
}
