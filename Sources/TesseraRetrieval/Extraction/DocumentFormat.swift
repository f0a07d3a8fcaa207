// SPDX-License-Identifier: Apache-2.0

/// The kinds of files that are read.
public enum DocumentFormat: String, Sendable, Hashable, CaseIterable {
    /// Text as it is, in UTF-8.
    case text
    /// Markdown (CommonMark), kept as it is written; YAML front matter is left out but for its title.
    case markdown
    /// HTML: its visible text without navigation, a blank line between blocks, headings as "## Title".
    case html

    /// The endings of file names of this format, in lower case.
    public var endings: [String] {
        switch self {
        case .text: ["txt", "text"]
        case .markdown: ["md", "markdown"]
        case .html: ["html", "htm", "xhtml"]
        }
    }

    /// The format of a file by the ending of its name, nil for an ending that is not read.
    init?(path: String) {
        let name = path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]
        guard let dot = name.lastIndex(of: ".") else { return nil }
        let ending = name[name.index(after: dot)...].lowercased()
        guard let format = Self.allCases.first(where: { $0.endings.contains(ending) }) else { return nil }
        self = format
    }
}
