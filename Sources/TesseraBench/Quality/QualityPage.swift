// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Tessera

/// A quality report as a page with plots that stands alone in a browser: no script, nothing loaded from elsewhere.
public struct QualityPage {
    private let report: QualityReport

    /// A page of a report.
    public init(_ report: QualityReport) {
        self.report = report
    }

    /// The page.
    public var html: String {
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><title>KV reuse of \(escaped(report.model))</title>
        <meta name="viewport" content="width=device-width">
        <style>
        \(Plot.pageStyle)
        </style></head><body>
        <h1>KV reuse of \(escaped(report.model))</h1>
        <p>\(escaped(counts)). Contexts were encoded without the question. Loss is in points of right answers against a full prefill, the same questions asked.</p>
        <p class="key">\(Plot.key(families.map(\.name)))</p>
        <div class="plots">
        \(plots.map { $0.svg() }.filter { !$0.isEmpty }.joined(separator: "\n"))
        </div>
        <h2>Figures</h2>
        \(table)
        \(report.remarks.map { "<p>\(escaped($0))</p>" }.joined(separator: "\n"))
        </body></html>

        """
    }

    private var counts: String {
        report.kinds.map { "\(report.questions[$0] ?? 0) \($0)" }.joined(separator: ", ")
            + " questions, prompts of \(report.promptTokens[0]) to \(report.promptTokens[2]) tokens"
    }

    /// The results of each way at all its ratios, in the report's order.
    private var families: [(name: String, results: [QualityReport.Result])] {
        var families: [(name: String, results: [QualityReport.Result])] = []
        for result in report.results where result.assembly != "exact" {
            let name = result.method.family
            if let place = families.firstIndex(where: { $0.name == name }) {
                families[place].results.append(result)
            } else {
                families.append((name, [result]))
            }
        }
        return families
    }

    /// The plots alone, with their key, as a drawing that stands alone.
    public var svg: String { Plot.sheet(plots.filter { !$0.svg().isEmpty }, key: families.map(\.name)) }

    private var plots: [Plot] {
        let byKind = report.kinds.map { kind in
            var plot = plot("\(kind): right answers against recompute", "effective recompute", "right, %") {
                ($0.effectiveRecompute, 100 * ($0.exactMatch[kind] ?? 0))
            }
            plot.yReach = [90, 100]
            return plot
        }
        var divergence = plot("divergence against recompute", "effective recompute", "KL to exact, nats") {
            ($0.effectiveRecompute, $0.klMean)
        }
        divergence.isLogarithmic = true
        var byRatio = plot("divergence against the ratio asked for", "ratio", "KL to exact, nats") { result in
            result.ratio.map { ($0, result.klMean) }
        }
        byRatio.isLogarithmic = true
        let byTime = plot("right answers against time", "time to first token, ms", "right over all kinds, %") {
            result in
            result.ttft.map { ($0 * 1000, 100 * mean(result.exactMatch.values.map { $0 })) }
        }
        return byKind + [divergence, byRatio, byTime]
    }

    private func plot(
        _ title: String, _ x: String, _ y: String, _ point: (QualityReport.Result) -> (Double, Double)?
    ) -> Plot {
        Plot(
            title: title, xTitle: x, yTitle: y,
            series: families.map { family in
                Plot.Series(
                    name: family.name,
                    points: family.results.compactMap { result in
                        point(result).map { (x: $0.0, y: $0.1, title: result.label) }
                    })
            })
    }

    private var table: String {
        let head =
            ["way"] + report.kinds + report.kinds.map { "\($0) lost" }
            + ["KL", "KL p95", "top-1", "effective recompute", "TTFT ms"]
        let rows = report.results.map { result in
            [result.label] + report.kinds.map { String(format: "%.1f", 100 * (result.exactMatch[$0] ?? 0)) }
                + report.kinds.map { kind in
                    result.loss[kind].map { String(format: "%.1f (%.1f … %.1f)", $0.points, $0.low, $0.high) } ?? ""
                }
                + [
                    String(format: "%.4f", result.klMean), String(format: "%.4f", result.klP95),
                    String(format: "%.3f", result.top1Agreement), String(format: "%.3f", result.effectiveRecompute),
                    result.ttft.map { String(format: "%.1f", $0 * 1000) } ?? "",
                ]
        }
        return Plot.table(head, rows)
    }
}

extension Assembly {
    /// Its label without the ratio.
    fileprivate var family: String {
        guard case .stitched(let selector, _, let variants) = self, selector.takesRatio else { return label }
        let zero = Assembly.stitched(selector, ratio: 0, variants: variants).label
        return zero.replacingOccurrences(of: ", 0 %", with: "")
    }
}
