// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// A token inside a tag.
enum JinjaToken: Equatable {
    case name(String)
    case string(String)
    case int(Int)
    case symbol(String)
}

/// A piece of a template: text, the inside of `{{ }}`, or the inside of `{% %}`.
enum JinjaPiece {
    case text(String)
    case output([JinjaToken])
    case statement([JinjaToken])
}

/// Cuts a template into pieces, with the white-space rules that chat templates are written for: the line break behind a
/// block tag goes (`trim_blocks`), blanks before one go where it opens a line (`lstrip_blocks`), `-` strips a side.
struct JinjaLexer {
    private let bytes: [UInt8]
    private var at = 0

    init(_ template: String) throws(TesseraError) {
        guard template.utf8.count <= JinjaLimits.template else {
            throw .template("it is longer than \(JinjaLimits.template >> 10) KiB")
        }
        // As Jinja does: line breaks are \n, and one at the very end is no part of the template.
        var bytes: [UInt8] = []
        for byte in template.utf8 {
            if byte == UInt8(ascii: "\n"), bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
            bytes.append(byte)
        }
        for i in bytes.indices where bytes[i] == UInt8(ascii: "\r") { bytes[i] = UInt8(ascii: "\n") }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        self.bytes = bytes
    }

    /// All pieces, in order.
    mutating func pieces() throws(TesseraError) -> [JinjaPiece] {
        var pieces: [JinjaPiece] = []
        var stripsNext = false
        while at < bytes.count {
            let start = at
            while at < bytes.count, !opensTag { at += 1 }
            var text = bytes[start..<at]
            if stripsNext { text = text.drop(while: isSpace) }
            guard at < bytes.count else {
                pieces.append(.text(String(decoding: text, as: UTF8.self)))
                break
            }
            let kind = bytes[at + 1]
            at += 2
            text = strippedBeforeTag(text, kind: kind)
            if !text.isEmpty { pieces.append(.text(String(decoding: text, as: UTF8.self))) }
            switch kind {
            case UInt8(ascii: "#"): stripsNext = try skipComment()
            case UInt8(ascii: "{"):
                let (tokens, strips) = try tag(closing: "}}")
                pieces.append(.output(tokens))
                stripsNext = strips
            default:
                let (tokens, strips) = try tag(closing: "%}")
                pieces.append(.statement(tokens))
                stripsNext = strips
            }
        }
        return pieces
    }

    private var opensTag: Bool {
        guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "{") else { return false }
        return [UInt8(ascii: "{"), UInt8(ascii: "%"), UInt8(ascii: "#")].contains(bytes[at + 1])
    }

    /// The text before a tag whose opening was just read, stripped as the tag asks for.
    private mutating func strippedBeforeTag(_ text: ArraySlice<UInt8>, kind: UInt8) -> ArraySlice<UInt8> {
        if take("-") {
            let last = text.lastIndex { !isSpace($0) }
            return text[text.startIndex..<(last.map { $0 + 1 } ?? text.startIndex)]
        }
        if take("+") || kind == UInt8(ascii: "{") { return text }
        // Blanks go only where nothing else stands before the tag in its line, not even another tag.
        let blanks = text.lastIndex { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
        guard let blanks else { return startsLine(text.startIndex) ? text.prefix(0) : text }
        return text[blanks] == UInt8(ascii: "\n") ? text[text.startIndex...blanks] : text
    }

    private func startsLine(_ index: Int) -> Bool {
        index == 0 || bytes[index - 1] == UInt8(ascii: "\n")
    }

    /// Skips to the end of a comment; whether the text behind it is stripped.
    private mutating func skipComment() throws(TesseraError) -> Bool {
        while at < bytes.count {
            if let strips = takeEnd(of: "#}") { return strips }
            at += 1
        }
        throw .template("a comment has no end")
    }

    /// Takes the end of a tag, if it is here; whether the text behind it is stripped.
    private mutating func takeEnd(of closing: String) -> Bool? {
        if take("-" + closing) { return true }
        if take("+" + closing) { return false }
        guard take(closing) else { return nil }
        if closing != "}}" { _ = take("\n") }
        return false
    }

    private mutating func tag(closing: String) throws(TesseraError) -> ([JinjaToken], Bool) {
        var tokens: [JinjaToken] = []
        while true {
            while at < bytes.count, isSpace(bytes[at]) { at += 1 }
            guard at < bytes.count else { throw .template("a tag has no end") }
            // In {{ {'a': {}} }} the braces of a mapping come first.
            if !(closing == "}}" && openBraces(tokens) > 0), let strips = takeEnd(of: closing) {
                return (tokens, strips)
            }
            tokens.append(try token())
            guard tokens.count <= JinjaLimits.tokensInTag else {
                throw .template("a tag has more than \(JinjaLimits.tokensInTag) tokens")
            }
        }
    }

    private func openBraces(_ tokens: [JinjaToken]) -> Int {
        tokens.reduce(0) { $0 + ($1 == .symbol("{") ? 1 : $1 == .symbol("}") ? -1 : 0) }
    }

    private mutating func token() throws(TesseraError) -> JinjaToken {
        let byte = bytes[at]
        if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") { return .string(try string(quote: byte)) }
        if isDigit(byte) { return .int(try number()) }
        if isLetter(byte) {
            let start = at
            while at < bytes.count, isLetter(bytes[at]) || isDigit(bytes[at]) { at += 1 }
            return .name(String(decoding: bytes[start..<at], as: UTF8.self))
        }
        for symbol in ["==", "!=", "<=", ">=", "//", "**"] where take(symbol) { return .symbol(symbol) }
        guard "()[]{}.,:|=<>+-*/%~".utf8.contains(byte) else {
            throw .template("a tag holds a character that Jinja does not know")
        }
        at += 1
        return .symbol(String(UnicodeScalar(byte)))
    }

    private mutating func number() throws(TesseraError) -> Int {
        let start = at
        while at < bytes.count, isDigit(bytes[at]) { at += 1 }
        let isFraction = at + 1 < bytes.count && bytes[at] == UInt8(ascii: ".") && isDigit(bytes[at + 1])
        guard !isFraction, let value = Int(String(decoding: bytes[start..<at], as: UTF8.self)) else {
            throw .template("fractions and numbers beyond 64 bits are not supported")
        }
        return value
    }

    private mutating func string(quote: UInt8) throws(TesseraError) -> String {
        at += 1
        var content: [UInt8] = []
        while at < bytes.count, bytes[at] != quote {
            if bytes[at] == UInt8(ascii: "\\") {
                content += try escape()
            } else {
                content.append(bytes[at])
                at += 1
            }
        }
        guard at < bytes.count else { throw .template("a string has no end") }
        at += 1
        return String(decoding: content, as: UTF8.self)
    }

    private mutating func escape() throws(TesseraError) -> [UInt8] {
        guard at + 1 < bytes.count else { throw .template("a string has no end") }
        let byte = bytes[at + 1]
        at += 2
        switch byte {
        case UInt8(ascii: "n"): return [10]
        case UInt8(ascii: "t"): return [9]
        case UInt8(ascii: "r"): return [13]
        case UInt8(ascii: "\n"): return []
        case UInt8(ascii: "x"): return try character(digits: 2)
        case UInt8(ascii: "u"): return try character(digits: 4)
        case UInt8(ascii: "U"): return try character(digits: 8)
        case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): return [byte]
        default: return [UInt8(ascii: "\\"), byte]
        }
    }

    private mutating func character(digits: Int) throws(TesseraError) -> [UInt8] {
        let text = String(decoding: bytes[at..<min(at + digits, bytes.count)], as: UTF8.self)
        guard text.utf8.count == digits, let code = UInt32(text, radix: 16), let scalar = UnicodeScalar(code) else {
            throw .template("a string holds an escape that is no character")
        }
        at += digits
        return Array(String(scalar).utf8)
    }

    private mutating func take(_ expected: String) -> Bool {
        guard bytes[at...].starts(with: expected.utf8) else { return false }
        at += expected.utf8.count
        return true
    }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
    private func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
    private func isLetter(_ byte: UInt8) -> Bool {
        (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "_")
    }
}
