// SPDX-License-Identifier: Apache-2.0

internal import CText
internal import Foundation

extension TextDocument {
    /// The visible text of an HTML page, with a section for each heading.
    ///
    /// - Throws: ``Refusal`` for bytes that are not in the charset that the page declares, UTF-8 by default.
    static func html(_ bytes: [UInt8]) throws(Refusal) -> TextDocument {
        let utf8 = try HTMLCharset.utf8(bytes)
        guard utf8.count <= Int(Int32.max) else { throw Refusal("it is longer than 2 GB") }
        let reader = HTMLReader()
        var events = HTMLReader.events
        let parsed = withExtendedLifetime(reader) {
            utf8.withUnsafeBytes { raw in
                let text = raw.assumingMemoryBound(to: CChar.self)
                return html_parse(
                    text.baseAddress, Int32(text.count), &events, Unmanaged.passUnretained(reader).toOpaque())
            }
        }
        guard parsed != 0 else { throw Refusal("there is no memory to parse it") }
        return reader.document()
    }
}

/// Turns the events of libxml2's HTML parser into text. No tree is built, so that depth and size cost nothing.
private final class HTMLReader {
    /// What stands between two runs of text; the greatest wins.
    private enum Gap: Int { case none, space, cell, line, paragraph }

    private static let dropped: Set<String> = [
        "script", "style", "nav", "noscript", "template", "svg", "math", "iframe", "object", "select", "button",
    ]
    private static let blocks: Set<String> = [
        "address", "article", "aside", "blockquote", "body", "details", "dialog", "div", "dl", "fieldset", "figcaption",
        "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "ol", "p", "pre",
        "section", "summary", "table", "ul",
    ]
    private static let lines: Set<String> = ["br", "caption", "dd", "dt", "li", "option", "tr"]

    private var bytes: [UInt8] = []
    private var sections = SectionBuilder(start: 0, documentTitle: nil)
    private var gap = Gap.none
    private var item = false
    /// How many elements are open within the outermost one that is dropped, itself included.
    private var dropping = 0
    private var isTitle = false
    private var title: [UInt8] = []
    private var heading: (name: String, start: Int, text: Int)?
    private var preformatted = 0
    private var preformattedStart = 0

    // MARK: Events

    static let events = html_events(
        start: { context, name, attributes in
            guard let name else { return }
            HTMLReader.of(context)?.start(String(cString: name), attributes)
        },
        end: { context, name in
            guard let name else { return }
            HTMLReader.of(context)?.end(String(cString: name))
        },
        text: { context, text, count in
            HTMLReader.of(context)?.add(UnsafeRawBufferPointer(start: text, count: Int(count)))
        })

    private static func of(_ context: UnsafeMutableRawPointer?) -> HTMLReader? {
        context.map { Unmanaged<HTMLReader>.fromOpaque($0).takeUnretainedValue() }
    }

    private func start(_ name: String, _ attributes: UnsafePointer<UnsafePointer<CChar>?>?) {
        if dropping > 0 || Self.dropped.contains(name) || Self.isHidden(attributes) {
            dropping += 1
            return
        }
        separate(name)
        switch name {
        case "title": isTitle = bytes.isEmpty
        case "li": item = true
        case "pre":
            if preformatted == 0 { preformattedStart = -1 }
            preformatted += 1
        case "h1", "h2", "h3", "h4", "h5", "h6":
            if heading == nil { beginHeading(name) }
        default: break
        }
    }

    private func end(_ name: String) {
        if dropping > 0 {
            dropping -= 1
            return
        }
        switch name {
        case "title": isTitle = false
        case "li": item = false
        case "pre":
            preformatted = max(0, preformatted - 1)
            if preformatted == 0 && preformattedStart >= 0 { sections.addVerbatim(preformattedStart..<bytes.count) }
        case heading?.name: endHeading()
        default: break
        }
        separate(name)
    }

    private func add(_ text: UnsafeRawBufferPointer) {
        if dropping > 0 { return }
        if isTitle {
            title += text
            return
        }
        for byte in text {
            let isSpace = byte == 0x20 || (0x09...0x0D).contains(byte)
            if isSpace && (preformatted == 0 || gap == .paragraph) {
                widen(.space)
            } else {
                writeGap()
                bytes.append(byte)
            }
        }
    }

    // MARK: Text

    private func separate(_ name: String) {
        if Self.blocks.contains(name) {
            // A paragraph at the beginning of an item stands behind its dash.
            widen(heading != nil ? .space : item ? .line : .paragraph)
        } else if Self.lines.contains(name) {
            widen(heading == nil ? .line : .space)
        } else if name == "td" || name == "th" {
            widen(.cell)
        }
    }

    private func widen(_ wider: Gap) {
        if wider.rawValue > gap.rawValue { gap = wider }
    }

    private func writeGap() {
        if !bytes.isEmpty {
            switch gap {
            case .none: break
            case .space: bytes += " ".utf8
            case .cell: bytes += " | ".utf8
            case .line: bytes += "\n".utf8
            case .paragraph: bytes += "\n\n".utf8
            }
        }
        gap = .none
        if item { bytes += "- ".utf8 }
        item = false
        if preformatted > 0 && preformattedStart < 0 { preformattedStart = bytes.count }
    }

    private func beginHeading(_ name: String) {
        item = false
        writeGap()
        let start = bytes.count
        bytes += String(repeating: "#", count: Int(name.dropFirst()) ?? 1).utf8
        bytes += " ".utf8
        heading = (name, start, bytes.count)
    }

    private func endHeading() {
        guard let (name, start, text) = heading else { return }
        heading = nil
        let title = String(decoding: bytes[text...], as: UTF8.self)
        if title.isEmpty {
            bytes.removeSubrange(start...)
            gap = .paragraph
        } else {
            sections.addHeading(start..<bytes.count, level: Int(name.dropFirst()) ?? 1, title: title)
        }
    }

    func document() -> TextDocument {
        endHeading()
        sections.end(at: bytes.count)
        let name = String(decoding: title, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined(separator: " ")
        var document = TextDocument(bytes: bytes, sections: sections.sections)
        for index in document.sections.indices where !name.isEmpty && document.sections[index].titles.first != name {
            document.sections[index].titles.insert(name, at: 0)
        }
        return document
    }

    private static func isHidden(_ attributes: UnsafePointer<UnsafePointer<CChar>?>?) -> Bool {
        guard var next = attributes else { return false }
        while let name = next.pointee {
            if strcasecmp(name, "hidden") == 0 { return true }
            if strcasecmp(name, "role") == 0, let value = next[1], strcasecmp(value, "navigation") == 0 { return true }
            next += 2
        }
        return false
    }
}
