// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// Why a file is not indexed, in a few words that go behind its name.
struct Refusal: Error, Equatable {
    var reason: String

    init(_ reason: String) { self.reason = reason }
}

extension TextDocument {
    /// The text of a file.
    ///
    /// - Throws: ``Refusal`` for what is no text.
    init(file bytes: [UInt8], format: DocumentFormat) throws(Refusal) {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            throw Refusal("it is UTF-16; save it as UTF-8")
        }
        if let index = bytes.firstIndex(of: 0) { throw Refusal("it is no text: a zero byte at offset \(index)") }
        switch format {
        case .text:
            try Self.checkUTF8(bytes)
            self = .plainText(bytes)
        case .markdown:
            try Self.checkUTF8(bytes)
            self = .markdown(bytes)
        case .html:
            self = try .html(bytes)
        }
        let sections = sections
        let isBlank = sections.allSatisfy { section in
            Whitespace.skip(section.range, in: self.bytes) == section.range.upperBound
        }
        if isBlank { throw Refusal("it is empty") }
    }

    /// - Throws: ``Refusal`` that names the first byte that is no UTF-8.
    static func checkUTF8(_ bytes: [UInt8]) throws(Refusal) {
        do {
            _ = try UTF8Span(validating: bytes.span)
        } catch {
            throw Refusal("it is no UTF-8 at byte \(error.byteOffsets.lowerBound); save it as UTF-8")
        }
    }

    /// Where the text begins: behind the byte order mark, if there is one.
    static func start(of bytes: [UInt8]) -> Int {
        bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    }

    private static func plainText(_ bytes: [UInt8]) -> TextDocument {
        var sections = SectionBuilder(start: start(of: bytes), documentTitle: nil)
        sections.end(at: bytes.count)
        return TextDocument(bytes: bytes, sections: sections.sections)
    }

    /// The text of a document that is in memory; nil for one without any.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput` for what is no text.
    package init?(text: String, format: DocumentFormat) throws(TesseraError) {
        guard text.contains(where: { !$0.isWhitespace }) else { return nil }
        do throws(Refusal) {
            self = try TextDocument(file: Array(text.utf8), format: format)
        } catch {
            throw TesseraError(.invalidInput, "the document is not taken: \(error.reason)")
        }
    }
}
