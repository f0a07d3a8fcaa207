// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A compression report as a page that stands alone in a browser, with plots.
public struct CompressionPage {
    private let report: CompressionReport

    /// A page of a report.
    public init(_ report: CompressionReport) {
        self.report = report
    }

    /// The page.
    public var html: String {
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><title>Compressed keys and values</title>
        <meta name="viewport" content="width=device-width">
        <style>
        \(Plot.pageStyle)
        </style></head><body>
        <h1>Compressed keys and values</h1>
        \(report.suites.map(section).joined(separator: "\n"))
        \(recompute)
        \(codecs)
        </body></html>

        """
    }

    /// The plots alone, with their keys, as a drawing that stands alone.
    public var svg: String {
        Plot.sheet(
            report.suites.flatMap { suite in
                [true, false].compactMap { known in
                    let names = methods(results(suite, questionKnown: known))
                    return names.isEmpty ? nil : (plots(suite, questionKnown: known), names)
                }
            })
    }

    private func section(_ suite: CompressionReport.Suite) -> String {
        let counts = suite.questions.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        let tables = [true, false].map { known in
            let results = results(suite, questionKnown: known)
            guard !results.isEmpty else { return "" }
            return """
                <h3>\(known ? "The question was known" : "The question was withheld")</h3>
                <p class="key">\(Plot.key(methods(results)))</p>
                <div class="plots">
                \(plots(suite, questionKnown: known).map { $0.svg() }.filter { !$0.isEmpty }.joined(separator: "\n"))
                </div>
                \(table(results, suite))
                """
        }
        return """
            <h2>\(escaped(suite.name)), \(escaped(suite.model))</h2>
            <p>\(escaped(counts.joined(separator: ", "))) questions about \(suite.prompts) prompts of \
            \(suite.promptTokens[0]) to \(suite.promptTokens[2]) tokens. Points are hundredths of all questions, with 95 % \
            intervals of a bootstrap over prompts.</p>
            \(tables.joined(separator: "\n"))
            """
    }

    private var recompute: String {
        guard let first = report.recompute.first else { return "" }
        return """
            <h2>Selective recompute over codecs</h2>
            <p>Of the tokens that are picked over fp16, so many are picked over the codec too (\(first.prompts) prompts).</p>
            \(Plot.table(
                ["codec", "same tokens"],
                report.recompute.map { [$0.codec, String(format: "%.1f %%", 100 * $0.sameTokens)] }))
            """
    }

    private var codecs: String {
        guard let first = report.codecs.first else { return "" }
        return """
            <h2>Codecs</h2>
            <p>Chunks of \(first.tokens) tokens, one layer; GB of fp16 a second on one core.</p>
            \(Plot.table(
                [
                    "codec", "heads × dimension", "bytes per token", "to fp16", "key error", "value error", "encode",
                    "decode", "memcpy",
                ],
                report.codecs.map { row in
                    [row.codec, "\(row.heads) × \(row.headDimension)"]
                        + [row.bytesPerToken, row.ratioToFP16, row.keyError, row.valueError].map {
                            String(format: "%.4g", $0)
                        } + [row.encode, row.decode, row.memcpy].map { String(format: "%.2f", $0) }
                }))
            """
    }

    private func results(
        _ suite: CompressionReport.Suite, questionKnown: Bool
    ) -> [CompressionReport.Result] {
        report.results.filter { $0.suite == suite.name && $0.questionKnown == questionKnown }
    }

    /// The names of methods, each once and in the order in which plots draw them; the whole prompt is not drawn.
    private func methods(_ results: [CompressionReport.Result]) -> [String] {
        results.map(\.method).reduce(into: []) { if $1 != "whole", !$0.contains($1) { $0.append($1) } }
    }

    private func plots(_ suite: CompressionReport.Suite, questionKnown: Bool) -> [Plot] {
        let results = results(suite, questionKnown: questionKnown)
        let when = questionKnown ? "question known" : "question withheld"
        func plot(_ title: String, _ y: String, _ value: (CompressionReport.Result) -> Double) -> Plot {
            Plot(
                title: "\(suite.name), \(when): \(title)", xTitle: "bytes ÷ those of fp16", yTitle: y,
                series: methods(results).map { method in
                    Plot.Series(
                        name: method,
                        points: results.filter { $0.method == method }.map {
                            (x: $0.ratioToFP16, y: value($0), title: "\(method) \($0.budget ?? "")")
                        })
                })
        }
        var divergence = plot("divergence", "KL to whole, nats") { $0.klMean }
        divergence.isLogarithmic = true
        return [plot("right answers", "right, %") { 100 * $0.stepAccuracy }, divergence]
    }

    private func table(_ results: [CompressionReport.Result], _ suite: CompressionReport.Suite) -> String {
        let kinds = suite.questions.keys.sorted()
        return Plot.table(
            ["method", "budget"] + kinds + [
                "all", "points lost", "KL mean", "KL p95", "bytes per token", "to fp16", "attention saved",
                "decode speed",
            ],
            results.map { row in
                [row.method, row.budget ?? ""] + kinds.map { String(format: "%.1f", 100 * (row.exactMatch[$0] ?? 0)) }
                    + [
                        String(format: "%.1f", 100 * row.stepAccuracy),
                        String(format: "%.1f (%.1f … %.1f)", row.loss.points, row.loss.low, row.loss.high),
                        String(format: "%.4f", row.klMean), String(format: "%.3f", row.klP95),
                        String(format: "%.0f", row.bytesPerToken), String(format: "%.3f", row.ratioToFP16),
                        row.codec == nil ? String(format: "%.1f", 100 * row.attentionSaved) : "",
                        row.decodeSpeed.map { String(format: "%.2f", $0) } ?? "",
                    ]
            })
    }
}
