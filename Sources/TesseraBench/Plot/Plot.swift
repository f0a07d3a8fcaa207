// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A line plot as SVG, with axes, a legend by colour, and a title on each point for the mouse.
struct Plot {
    /// Points that belong together.
    struct Series {
        var name: String
        var points: [(x: Double, y: Double, title: String)]
    }

    var title: String
    var xTitle: String
    var yTitle: String
    var series: [Series]
    /// Figures that the y axis reaches in any case.
    var yReach: [Double] = []
    /// Whether y is drawn by its logarithm; figures of 0 lie on the lower edge.
    var isLogarithmic = false
    /// Whether x is.
    var isLogarithmicInX = false

    static let width = 460.0
    static let height = 300.0
    private var width: Double { Self.width }
    private var height: Double { Self.height }
    private let left = 52.0
    private let right = 12.0
    private let top = 28.0
    private let bottom = 40.0

    /// Ten colours that stay apart for most eyes (after Tol); the eleventh series has the first one's, dashes and hollow
    /// points.
    private static let colours = [
        "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bb5500", "#555555", "#009988", "#8855cc",
    ]

    /// How a series is drawn, by its number.
    static func stroke(_ number: Int) -> String {
        let dashes = number < colours.count ? "" : " stroke-dasharray=\"4 3\""
        return "stroke=\"\(colours[number % colours.count])\" stroke-width=\"1.6\"\(dashes)"
    }

    /// How the points of a series are drawn, by its number.
    static func fill(_ number: Int) -> String {
        let colour = colours[number % colours.count]
        return number < colours.count
            ? "fill=\"\(colour)\"" : "fill=\"#fff\" stroke=\"\(colour)\" stroke-width=\"1.6\""
    }

    /// The looks of all plots.
    static let style = """
        svg { font: 11px system-ui, sans-serif; fill: #222 } svg .title { font-size: 13px; font-weight: 600 }
        svg .grid { stroke: #ddd }
        """

    /// The plot as an element of a page or of another drawing.
    ///
    /// - Parameter place: Attributes that place it there.
    func svg(_ place: String = "") -> String {
        let points = series.flatMap(\.points)
        guard !points.isEmpty else { return "" }
        let x = Axis(points.map(\.x), isLogarithmic: isLogarithmicInX)
        let y = Axis(points.map(\.y) + yReach, isLogarithmic: isLogarithmic)
        var lines = [
            "<svg\(place) viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\" aria-label=\"\(escaped(title))\">",
            text(left, 16, title, "class=\"title\""),
            text((left + width - right) / 2, height - 6, xTitle, "text-anchor=\"middle\""),
            text(12, (top + height - bottom) / 2, yTitle, "text-anchor=\"middle\" class=\"turned\""),
        ]
        lines += grid(x, y)
        for (number, one) in series.enumerated() {
            lines += drawn(one, number, x, y)
        }
        return (lines + ["</svg>"]).joined(separator: "\n")
    }

    private func grid(_ x: Axis, _ y: Axis) -> [String] {
        var lines: [String] = []
        for tick in x.ticks {
            let place = placeX(tick, x)
            lines.append(
                "<line class=\"grid\" x1=\"\(place)\" x2=\"\(place)\" y1=\"\(top)\" y2=\"\(height - bottom)\"/>")
            lines.append(text(Double(place) ?? 0, height - bottom + 14, x.label(tick), "text-anchor=\"middle\""))
        }
        for tick in y.ticks {
            let place = placeY(tick, y)
            lines.append(
                "<line class=\"grid\" y1=\"\(place)\" y2=\"\(place)\" x1=\"\(left)\" x2=\"\(width - right)\"/>")
            lines.append(text(left - 5, (Double(place) ?? 0) + 4, y.label(tick), "text-anchor=\"end\""))
        }
        return lines
    }

    private func drawn(_ series: Series, _ number: Int, _ x: Axis, _ y: Axis) -> [String] {
        let sorted = series.points.sorted { $0.x < $1.x }
        let path = sorted.map { "\(placeX($0.x, x)),\(placeY($0.y, y))" }.joined(separator: " ")
        return ["<polyline points=\"\(path)\" fill=\"none\" \(Self.stroke(number))/>"]
            + sorted.map { point in
                "<circle cx=\"\(placeX(point.x, x))\" cy=\"\(placeY(point.y, y))\" r=\"3.2\" \(Self.fill(number))>"
                    + "<title>\(escaped(point.title))</title></circle>"
            }
    }

    private func placeX(_ value: Double, _ axis: Axis) -> String {
        String(format: "%.1f", left + axis.share(of: value) * (width - left - right))
    }

    private func placeY(_ value: Double, _ axis: Axis) -> String {
        String(format: "%.1f", height - bottom - axis.share(of: value) * (height - top - bottom))
    }

    private func text(_ x: Double, _ y: Double, _ text: String, _ attributes: String) -> String {
        let turned = attributes.contains("turned") ? " transform=\"rotate(-90 \(x) \(y))\"" : ""
        return "<text x=\"\(x)\" y=\"\(y)\" \(attributes)\(turned)>\(escaped(text))</text>"
    }
}

/// An axis from the least to the greatest of some figures, with round numbers on it.
struct Axis {
    let low: Double
    let high: Double
    let ticks: [Double]
    private let isLogarithmic: Bool
    private static let least = 1e-6

    init(_ values: [Double], isLogarithmic: Bool) {
        self.isLogarithmic = isLogarithmic
        let (first, last) = (values.min() ?? 0, values.max() ?? 1)
        guard !isLogarithmic else {
            let (lower, upper) = (floor(log10(max(first, Self.least))), ceil(log10(max(last, 10 * Self.least))))
            (low, high) = (lower, max(upper, lower + 1))
            ticks = stride(from: low, through: high, by: 1).map { pow(10, $0) }
            return
        }
        let span = max(last - first, 1e-3)
        let rough = span / 5
        let power = pow(10, floor(log10(rough)))
        let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? rough
        low = floor(first / step) * step
        high = max(ceil(last / step) * step, low + step)
        ticks = stride(from: low, through: high + step / 2, by: step).map { $0 }
    }

    /// Where a figure lies, 0 … 1.
    func share(of value: Double) -> Double {
        let value = isLogarithmic ? log10(max(value, Self.least)) : value
        return min(1, max(0, (value - low) / (high - low)))
    }

    func label(_ tick: Double) -> String {
        isLogarithmic && !(0.01...1000).contains(tick)
            ? String(format: "%.0e", tick) : String(format: "%.4g", abs(tick) < 1e-12 ? 0 : tick)
    }
}

/// Text as HTML wants it.
func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
        .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
}
