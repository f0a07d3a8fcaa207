// SPDX-License-Identifier: Apache-2.0

/// The text of a document, ready to be cut: UTF-8 bytes and the sections in them.
package struct TextDocument: Sendable {
    /// A run of text under one heading, or before the first.
    package struct Section: Sendable, Hashable {
        /// The titles over the text, from the outermost inwards, its own last.
        package var titles: [String]
        /// The bytes of the heading and the text under it.
        package var range: Range<Int>
        /// Where the text under the heading begins.
        package var body: Int
        /// Runs of lines, such as code, in which blank lines and full stops are no borders; ascending.
        package var verbatim: [Range<Int>]
    }

    /// UTF-8, line ends as they were found.
    package var bytes: [UInt8]
    /// The sections in order; what lies between them is no text.
    package var sections: [Section]
}

/// Collects the sections of a document as their headings are met.
struct SectionBuilder {
    private(set) var sections: [TextDocument.Section] = []
    private var open: [(level: Int, title: String)] = []
    private var start: Int
    private var body: Int
    private var verbatim: [Range<Int>] = []

    /// Begins with the text before the first heading, which stands under the document's own title, if it has one.
    init(start: Int, documentTitle: String?) {
        self.start = start
        body = start
        if let documentTitle { open = [(0, documentTitle)] }
    }

    mutating func addVerbatim(_ range: Range<Int>) {
        verbatim.append(range)
    }

    /// Ends the section before `heading` and begins the one under it.
    mutating func addHeading(_ heading: Range<Int>, level: Int, title: String) {
        end(at: heading.lowerBound)
        open.removeAll { $0.level >= level }
        open.append((level, title))
        (start, body) = (heading.lowerBound, heading.upperBound)
    }

    /// Ends the last section.
    mutating func end(at end: Int) {
        guard end > start else { return }
        var titles: [String] = []
        for (_, title) in open where title != titles.last && !title.isEmpty { titles.append(title) }
        sections.append(.init(titles: titles, range: start..<end, body: body, verbatim: verbatim))
        verbatim = []
    }
}
