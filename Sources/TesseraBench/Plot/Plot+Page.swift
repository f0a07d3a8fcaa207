// SPDX-License-Identifier: Apache-2.0

internal import Foundation

extension Plot {
    /// The looks of a page of plots and tables.
    static let pageStyle = """
        body { font: 14px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1000px; padding: 0 1em; color: #222; background: #fff }
        .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1em }
        .plots svg { width: 100% } \(style)
        table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto }
        td, th { padding: .2em .6em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
        td:first-child, th:first-child { text-align: left } .key span { margin-right: 1.2em; white-space: nowrap } .key svg { width: 2em; height: .8em; margin-right: .3em }
        """

    /// What each colour stands for, as elements of a page.
    static func key(_ names: [String]) -> String {
        names.enumerated().map { number, name in
            "<span><svg viewBox=\"0 0 24 10\">\(sample(number, x: 0, y: 5))</svg>\(escaped(name))</span>"
        }.joined()
    }

    /// Plots side by side, with their key, as a drawing that stands alone.
    static func sheet(_ plots: [Plot], key names: [String]) -> String {
        sheet([(plots, names)])
    }

    /// Groups of plots, each with a key of its own, one below the other, as a drawing that stands alone.
    static func sheet(_ groups: [(plots: [Plot], key: [String])]) -> String {
        var (elements, top): ([String], Double) = ([], 0)
        for group in groups {
            let (drawn, height) = panels(group.plots, key: group.key, top: top)
            elements += drawn
            top += height
        }
        let head = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(width * Double(columns)) \(top)\">",
            "<style>\(style)</style>", "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        ]
        return (head + elements + ["</svg>\n"]).joined(separator: "\n")
    }

    private static let columns = 2

    /// Plots side by side from `top` on, with their key below, and how high all of it is.
    private static func panels(
        _ plots: [Plot], key names: [String], top: Double
    ) -> (elements: [String], height: Double) {
        let line = 18.0
        let rows = (plots.count + columns - 1) / columns
        let (keyTop, keyRows) = (top + height * Double(rows) + 10, (names.count + columns - 1) / columns)
        let panels = plots.enumerated().map { number, plot in
            plot.svg(
                " x=\"\(width * Double(number % columns))\" y=\"\(top + height * Double(number / columns))\" "
                    + "width=\"\(width)\" height=\"\(height)\"")
        }
        let key = names.enumerated().map { number, name in
            let (x, y) = (50 + width * Double(number / keyRows), keyTop + line * (Double(number % keyRows) + 0.5))
            return sample(number, x: x, y: y) + "<text x=\"\(x + 30)\" y=\"\(y + 4)\">\(escaped(name))</text>"
        }
        return (panels + key, keyTop + line * Double(keyRows) + 8 - top)
    }

    /// How a series looks, for a key.
    private static func sample(_ number: Int, x: Double, y: Double) -> String {
        "<line x1=\"\(x)\" x2=\"\(x + 24)\" y1=\"\(y)\" y2=\"\(y)\" \(stroke(number))/>"
            + "<circle cx=\"\(x + 12)\" cy=\"\(y)\" r=\"3.2\" \(fill(number))/>"
    }

    /// A table as an element of a page.
    static func table(_ head: [String], _ rows: [[String]]) -> String {
        func line(_ cells: [String], _ tag: String) -> String {
            "<tr>" + cells.map { "<\(tag)>\(escaped($0))</\(tag)>" }.joined() + "</tr>"
        }
        return "<table>\n" + ([line(head, "th")] + rows.map { line($0, "td") }).joined(separator: "\n") + "\n</table>"
    }
}
