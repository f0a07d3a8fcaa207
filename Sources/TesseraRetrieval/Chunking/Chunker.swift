// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// Cuts documents into chunks on the borders of sections, paragraphs and sentences.
///
/// A section's chunks depend on its own text alone, so that an edit elsewhere leaves them, and the KV that is stored
/// for them, as they are. A heading without text of its own goes with the section that follows it. Where a sentence
/// is longer than the limit, lines are the next borders, then words, then characters. One instance serves one thread.
package final class Chunker {
    /// The borders to cut at, from the best down.
    private enum Border: Int {
        case sentence, line, word, character

        var next: Border { Border(rawValue: rawValue + 1) ?? .character }
    }

    /// A piece that is not cut further unless it proves too long: from the end of the piece before it to the end of
    /// its own text. The white space in front is counted with it, because tokenizers join it to the first word.
    private struct Piece {
        var range: Range<Int>
        var tokens: Int
        var border: Border
    }

    private let encoder: TokenEncoder
    private let options: ChunkingOptions
    private let breaker = TextBreaker(.sentence)
    private let ending: Int

    private var bytes: [UInt8] = []
    private var titles: [String] = []
    private var pending: [Piece] = []
    private var pendingTokens = 0
    /// How many of the pending pieces the last chunk held already.
    private var repeated = 0
    private var unfolded: [UInt8] = []

    /// - Throws: ``TesseraError`` of code `invalidInput` for options out of range.
    package init(encoder: TokenEncoder, options: ChunkingOptions) throws(TesseraError) {
        guard options.limit >= ChunkingOptions.smallestLimit else {
            throw TesseraError(
                .invalidInput,
                "a chunk of \(options.limit) tokens is too small; the least is "
                    + "\(ChunkingOptions.smallestLimit)")
        }
        guard options.overlap >= 0 else {
            throw TesseraError(.invalidInput, "an overlap of \(options.overlap) sentences is none; give 0 or more")
        }
        self.encoder = encoder
        self.options = options
        ending = encoder.encode("\n\n").count
    }

    /// All chunks of a document.
    package func chunks(of document: TextDocument) throws -> [Chunk] {
        var chunks: [Chunk] = []
        try forEachChunk(of: document) { chunks.append($0) }
        return chunks
    }

    /// Calls `body` with each chunk in reading order, as soon as it is cut.
    package func forEachChunk(of document: TextDocument, _ body: (Chunk) throws -> Void) throws {
        bytes = document.bytes
        drop(pending.count)
        defer { bytes = [] }
        var bareHeading: Int?
        for (index, section) in document.sections.enumerated() {
            let start = bareHeading ?? section.range.lowerBound
            let isBare =
                section.body > section.range.lowerBound
                && Whitespace.skip(section.body..<section.range.upperBound, in: bytes) == section.range.upperBound
            if isBare && index + 1 < document.sections.count {
                bareHeading = start
                continue
            }
            bareHeading = nil
            titles = section.titles
            try cut(section, from: start, body)
        }
    }

    private func cut(_ section: TextDocument.Section, from start: Int, _ body: (Chunk) throws -> Void) throws {
        var end = start
        var hasText = false
        let range = Whitespace.trim(start..<section.range.upperBound, in: bytes)
        try Paragraphs(of: range, verbatim: section.verbatim).forEach(in: bytes) { paragraph, isVerbatim in
            if options.paragraphs == .separate && hasText { try flush(body) }
            try split(end..<paragraph.upperBound, at: isVerbatim ? .line : .sentence, body)
            end = paragraph.upperBound
            hasText = end > section.body
        }
        try flush(body)
    }

    // MARK: Pieces

    /// Adds the pieces of a range between borders of a kind.
    private func split(_ range: Range<Int>, at border: Border, _ body: (Chunk) throws -> Void) throws {
        var start = range.lowerBound
        func cut(_ end: Int) throws {
            let end = Whitespace.trimEnd(start..<end, in: bytes)
            guard Whitespace.skip(start..<end, in: bytes) < end else { return }
            try add(start..<end, cutAt: border, body)
            start = end
        }
        switch border {
        case .sentence: try forEachSentence(in: range, cut)
        case .line:
            for index in range where isLineEnd(bytes[index]) { try cut(index) }
        case .word:
            var index = range.lowerBound
            while index < range.upperBound {
                let space = Whitespace.length(at: index, in: bytes, end: range.upperBound)
                if space > 0 { try cut(index) }
                index += max(space, 1)
            }
        case .character: try cut(middle(of: range))
        }
        try cut(range.upperBound)
    }

    /// Adds a range as one piece, or as several where it does not fit a chunk.
    private func add(_ range: Range<Int>, cutAt border: Border, _ body: (Chunk) throws -> Void) throws {
        if let tokens = tokensIfFitting(range) {
            return try pack(Piece(range: range, tokens: tokens, border: border), body)
        }
        let trimmed = Whitespace.skip(range, in: bytes)..<range.upperBound
        if trimmed != range, let tokens = tokensIfFitting(trimmed) {
            try flush(body)
            return try pack(Piece(range: trimmed, tokens: tokens, border: border), body)
        }
        try split(range, at: border.next, body)
    }

    /// The number of tokens of a range, if they fit a chunk. What is certainly too long is not tokenised at all.
    private func tokensIfFitting(_ range: Range<Int>) -> Int? {
        guard range.count <= 32 * options.limit else { return nil }
        let tokens = encoder.encode(text(range)).count
        return tokens + ending <= options.limit ? tokens : nil
    }

    /// Calls `cut` with the end of each sentence in `range`. The ends of lines are no borders here: in text of fixed
    /// width they stand within sentences.
    private func forEachSentence(in range: Range<Int>, _ cut: (Int) throws -> Void) throws {
        unfolded.removeAll(keepingCapacity: true)
        for byte in bytes[range] { unfolded.append(isLineEnd(byte) ? UInt8(ascii: " ") : byte) }
        try unfolded.withUnsafeBytes { raw in
            try breaker.forEachPiece(of: raw.assumingMemoryBound(to: CChar.self)) { piece, _ in
                try cut(range.lowerBound + piece.upperBound)
            }
        }
    }

    /// A border of characters near the middle of a range, or of Unicode scalars where it is one character.
    private func middle(of range: Range<Int>) throws -> Int {
        let start = Whitespace.skip(range, in: bytes)
        let text = String(decoding: bytes[start..<range.upperBound], as: UTF8.self)
        let half = text.utf8.index(text.startIndex, offsetBy: text.utf8.count / 2)
        var middle = text.index(after: half)
        if middle == text.endIndex { middle = text.index(before: middle) }
        if middle == text.startIndex {
            middle = text.unicodeScalars.index(after: half)
            if middle == text.endIndex { middle = text.unicodeScalars.index(before: middle) }
        }
        guard middle > text.startIndex else {
            throw TesseraError(
                .invalidInput,
                "the tokenizer takes more than \(options.limit) tokens for one character; raise the chunks' limit")
        }
        return start + text.utf8.distance(from: text.startIndex, to: middle)
    }

    private func isLineEnd(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
    }

    // MARK: Chunks

    private func pack(_ piece: Piece, _ body: (Chunk) throws -> Void) throws {
        if !pending.isEmpty && pendingTokens + piece.tokens + ending > options.limit { try emit(body) }
        if repeated == pending.count && pendingTokens + piece.tokens + ending > options.limit { drop(repeated) }
        pending.append(piece)
        pendingTokens += piece.tokens
    }

    /// Emits chunks until none is pending.
    private func flush(_ body: (Chunk) throws -> Void) throws {
        while pending.count > repeated { try emit(body) }
        drop(pending.count)
    }

    /// Emits one chunk of the pending pieces: of fewer than all where their tokens together are more than the sum of
    /// each.
    private func emit(_ body: (Chunk) throws -> Void) throws {
        var count = pending.count
        while true {
            let range = Whitespace.trim(pending[0].range.lowerBound..<pending[count - 1].range.upperBound, in: bytes)
            let text = text(range) + "\n\n"
            let tokens = encoder.encode(text)
            if tokens.count <= options.limit {
                try body(Chunk(text: text, tokens: tokens, titles: titles, bytes: range))
                break
            }
            if count == 1 { return try splitFirst(body) }
            count -= max(1, count / 8)
            if count <= repeated {
                drop(repeated)
                count = pending.count
            }
        }
        let overlap = min(options.overlap, count - 1)
        drop(count - overlap)
        repeated = overlap
    }

    private func drop(_ count: Int) {
        pending.removeFirst(count)
        pendingTokens = pending.reduce(0) { $0 + $1.tokens }
        repeated = 0
    }

    /// Cuts the first pending piece, which fits alone, but not with the end of a chunk behind it.
    private func splitFirst(_ body: (Chunk) throws -> Void) throws {
        let pieces = pending
        drop(pieces.count)
        try split(pieces[0].range, at: pieces[0].border.next, body)
        for piece in pieces.dropFirst() { try pack(piece, body) }
    }

    /// The text of a range with "\n" for every kind of line end.
    private func text(_ range: Range<Int>) -> String {
        guard bytes[range].contains(UInt8(ascii: "\r")) else { return String(decoding: bytes[range], as: UTF8.self) }
        var text: [UInt8] = []
        text.reserveCapacity(range.count)
        for index in range {
            switch bytes[index] {
            case UInt8(ascii: "\n") where index > range.lowerBound && bytes[index - 1] == UInt8(ascii: "\r"): continue
            case UInt8(ascii: "\r"): text.append(UInt8(ascii: "\n"))
            default: text.append(bytes[index])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
