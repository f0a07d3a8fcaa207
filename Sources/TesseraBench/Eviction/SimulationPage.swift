// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraEviction

/// A simulation's miss-ratio curves as a page that stands alone in a browser, or as one drawing.
public struct SimulationPage {
    private let report: SimulationReport
    private let trace: String

    /// A page of a report.
    ///
    /// - Parameter trace: The trace's name.
    public init(_ report: SimulationReport, of trace: String) {
        self.report = report
        self.trace = trace
    }

    /// The page.
    public var html: String {
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><title>Eviction over \(escaped(trace))</title>
        <meta name="viewport" content="width=device-width">
        <style>
        \(Plot.pageStyle)
        </style></head><body>
        <h1>Eviction over \(escaped(trace))</h1>
        <p>\(escaped(counts)).</p>
        <p class="key">\(Plot.key(names))</p>
        <div class="plots">
        \(plots.map { $0.svg() }.joined(separator: "\n"))
        </div>
        <h2>Figures</h2>
        \(table)
        \(report.notes.map { "<p>\(escaped($0))</p>" }.joined(separator: "\n"))
        </body></html>

        """
    }

    /// The plots alone, with their key, as a drawing that stands alone.
    public var svg: String { Plot.sheet(plots, key: names) }

    private var counts: String {
        let objects = report.objects.map { " for \($0) objects" } ?? ""
        let bytes = report.distinctBytes.map { " of \(sizeText($0)) together" } ?? ""
        return "\(report.requests) requests" + objects + bytes
    }

    private var names: [String] {
        report.results.map(\.policy).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    private var plots: [Plot] {
        [
            plot("requests missed", "miss ratio") { $0.missRatio },
            plot("bytes missed", "byte miss ratio") { $0.byteMissRatio },
            plot("computation time saved", "share saved") { $0.timeSaved },
        ]
    }

    private func plot(
        _ title: String, _ yTitle: String, _ figure: @escaping (SimulationReport.Result) -> Double
    ) -> Plot {
        var plot = Plot(
            title: title, xTitle: report.distinctBytes == nil ? "capacity, bytes" : "capacity, % of all distinct bytes",
            yTitle: yTitle,
            series: names.map { name in
                Plot.Series(
                    name: name,
                    points: report.results.filter { $0.policy == name }.map { result in
                        (
                            x: share(result.capacity), y: figure(result),
                            title: String(format: "%@ at %@: %.4f", name, sizeText(result.capacity), figure(result))
                        )
                    })
            })
        plot.isLogarithmicInX = true
        return plot
    }

    private func share(_ capacity: Int) -> Double {
        report.distinctBytes.map { 100 * Double(capacity) / Double(max(1, $0)) } ?? Double(capacity)
    }

    private var table: String {
        let head = ["policy", "capacity", "missed", "bytes missed", "time saved"]
        return Plot.table(
            head,
            report.results.map { result in
                [
                    result.policy, sizeText(result.capacity), String(format: "%.4f", result.missRatio),
                    String(format: "%.4f", result.byteMissRatio), String(format: "%.4f", result.timeSaved),
                ]
            })
    }
}

/// A number of bytes as people read it.
private func sizeText(_ bytes: Int) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"]
    let unit = bytes < 1000 ? 0 : min(units.count - 1, Int(log10(Double(bytes)) / 3))
    return String(format: unit == 0 ? "%.0f %@" : "%.1f %@", Double(bytes) / pow(1000, Double(unit)), units[unit])
}
