// SPDX-License-Identifier: Apache-2.0

internal import CCMark
internal import Foundation

extension TextDocument {
    /// Markdown as it is written, with a section for each heading that is not part of a list or a quotation.
    ///
    /// cmark finds the headings, so that what looks like one in a code block, in HTML or in a comment is none.
    static func markdown(_ bytes: [UInt8]) -> TextDocument {
        let matter = FrontMatter(in: bytes, from: start(of: bytes))
        var sections = SectionBuilder(start: matter.end, documentTitle: matter.title)
        let lines = lineStarts(of: bytes, from: matter.end)
        let root = bytes.withUnsafeBytes { raw in
            let base = raw.assumingMemoryBound(to: CChar.self).baseAddress
            return cmark_parse_document(base.map { $0 + matter.end }, bytes.count - matter.end, CMARK_OPT_DEFAULT)
        }
        defer { cmark_node_free(root) }
        let iterator = cmark_iter_new(root)
        defer { cmark_iter_free(iterator) }
        while true {
            let event = cmark_iter_next(iterator)
            if event == CMARK_EVENT_DONE { break }
            guard event == CMARK_EVENT_ENTER, let node = cmark_iter_get_node(iterator) else { continue }
            let type = cmark_node_get_type(node)
            if type == CMARK_NODE_HEADING && cmark_node_parent(node) == root {
                let level = Int(cmark_node_get_heading_level(node))
                sections.addHeading(range(of: node, lines), level: level, title: title(of: node))
            } else if type == CMARK_NODE_CODE_BLOCK {
                sections.addVerbatim(range(of: node, lines))
            }
        }
        sections.end(at: bytes.count)
        return TextDocument(bytes: bytes, sections: sections.sections)
    }

    /// The bytes of the lines of a block.
    private static func range(of node: OpaquePointer, _ lines: [Int]) -> Range<Int> {
        let start = min(max(Int(cmark_node_get_start_line(node)), 1), lines.count) - 1
        let end = min(max(Int(cmark_node_get_end_line(node)), start + 1), lines.count - 1)
        return lines[start]..<max(lines[start], lines[end])
    }

    /// Where each line begins, and the end of the last; line ends are "\n", "\r\n" and "\r".
    private static func lineStarts(of bytes: [UInt8], from start: Int) -> [Int] {
        var starts = [start]
        for index in start..<bytes.count {
            let isEnd =
                bytes[index] == UInt8(ascii: "\n")
                || bytes[index] == UInt8(ascii: "\r")
                    && (index + 1 == bytes.count || bytes[index + 1] != UInt8(ascii: "\n"))
            if isEnd { starts.append(index + 1) }
        }
        if starts.last != bytes.count { starts.append(bytes.count) }
        return starts
    }

    /// The words of a heading without its markup.
    private static func title(of heading: OpaquePointer) -> String {
        var title = ""
        let iterator = cmark_iter_new(heading)
        defer { cmark_iter_free(iterator) }
        while true {
            let event = cmark_iter_next(iterator)
            if event == CMARK_EVENT_DONE { return title }
            guard event == CMARK_EVENT_ENTER, let node = cmark_iter_get_node(iterator) else { continue }
            switch cmark_node_get_type(node) {
            case CMARK_NODE_TEXT, CMARK_NODE_CODE:
                if let literal = cmark_node_get_literal(node) { title += String(cString: literal) }
            case CMARK_NODE_SOFTBREAK, CMARK_NODE_LINEBREAK: title += " "
            default: break
            }
        }
    }
}

/// The YAML between lines of "---" at the very top of a Markdown file.
private struct FrontMatter {
    /// Where the text behind it begins.
    var end: Int
    /// What follows "title:" in it.
    var title: String?

    init(in bytes: [UInt8], from start: Int) {
        end = start
        var index = start
        var lines = 0
        while index < bytes.count {
            let lineEnd = bytes[index...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            let line = String(decoding: bytes[index..<Whitespace.trimEnd(index..<lineEnd, in: bytes)], as: UTF8.self)
            index = min(lineEnd + 1, bytes.count)
            lines += 1
            if lines == 1 && line != "---" { return }
            if lines > 1 && (line == "---" || line == "...") {
                end = index
                return
            }
            if line.hasPrefix("title:") {
                title = String(line.dropFirst(6)).trimmingCharacters(in: Self.quotes)
            }
        }
        title = nil
    }

    private static let quotes = CharacterSet(charactersIn: "\"' \t")
}
