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
            "<span><svg viewBox=\"0 0 24 10\"><line x1=\"0\" x2=\"24\" y1=\"5\" y2=\"5\" \(stroke(number))/></svg>"
                + "\(escaped(name))</span>"
        }.joined()
    }

    /// Plots side by side, with their key, as a drawing that stands alone.
    static func sheet(_ plots: [Plot], key names: [String]) -> String {
        let (columns, line) = (2, 18.0)
        let rows = (plots.count + columns - 1) / columns
        let (sheetWidth, keyTop) = (width * Double(columns), height * Double(rows) + 10)
        let keyRows = (names.count + columns - 1) / columns
        let sheetHeight = keyTop + line * Double(keyRows) + 8
        let panels = plots.enumerated().map { number, plot in
            plot.svg(
                " x=\"\(width * Double(number % columns))\" y=\"\(height * Double(number / columns))\" "
                    + "width=\"\(width)\" height=\"\(height)\"")
        }
        let key = names.enumerated().map { number, name in
            let (x, y) = (50 + width * Double(number / keyRows), keyTop + line * (Double(number % keyRows) + 0.5))
            return "<line x1=\"\(x)\" x2=\"\(x + 24)\" y1=\"\(y)\" y2=\"\(y)\" \(stroke(number))/>"
                + "<text x=\"\(x + 30)\" y=\"\(y + 4)\">\(escaped(name))</text>"
        }
        let head = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(sheetWidth) \(sheetHeight)\">",
            "<style>\(style)</style>", "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        ]
        return (head + panels + key + ["</svg>\n"]).joined(separator: "\n")
    }

    /// A table as an element of a page.
    static func table(_ head: [String], _ rows: [[String]]) -> String {
        func line(_ cells: [String], _ tag: String) -> String {
            "<tr>" + cells.map { "<\(tag)>\(escaped($0))</\(tag)>" }.joined() + "</tr>"
        }
        return "<table>\n" + ([line(head, "th")] + rows.map { line($0, "td") }).joined(separator: "\n") + "\n</table>"
    }
}
