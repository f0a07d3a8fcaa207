// SPDX-License-Identifier: Apache-2.0

/// Cuts a text into pieces that are encoded each alone: words with the space before them, numbers, punctuation, white
/// space. The regular expressions of the models' own tokenizers, written out as a scanner that goes over the text once.
enum PreTokenizer: String, Sendable {
    /// GPT-2: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2 = "gpt-2"
    /// Llama 3: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|` and
    /// `\s*[\r\n]+|\s+(?!\S)|\s+`
    case llama3 = "llama-bpe"
    /// Qwen 2: as Llama 3, but each digit alone.
    case qwen2

    /// Where the piece ends that begins at `start`, which lies within the text.
    func end(in scanner: CharacterScanner, from start: Int) -> Int {
        if let end = contraction(in: scanner.text, at: start) { return end }
        return switch self {
        case .gpt2: gpt2(scanner, start)
        case .llama3: llama3(scanner, start, digits: 3)
        case .qwen2: llama3(scanner, start, digits: 1)
        }
    }

    private func gpt2(_ scanner: CharacterScanner, _ start: Int) -> Int {
        let body = scanner.text[start] == UInt8(ascii: " ") ? start + 1 : start
        guard let first = scanner.character(at: body), first.kind != .space else {
            return whiteSpace(scanner, start)
        }
        return scanner.end(of: first.kind, from: first.end)
    }

    private func llama3(_ scanner: CharacterScanner, _ start: Int, digits: Int) -> Int {
        guard let first = scanner.character(at: start) else { return start }
        switch first.kind {
        case .letter: return scanner.end(of: .letter, from: first.end)
        case .number: return scanner.end(of: .number, from: start, atMost: digits)
        case .space, .other: break
        }
        let second = scanner.character(at: first.end)
        if let second, second.kind == .letter, !isNewline(scanner.text[start]) {
            return scanner.end(of: .letter, from: second.end)
        }
        if first.kind == .other {
            return newlines(scanner, scanner.end(of: .other, from: first.end))
        }
        if let second, second.kind == .other, scanner.text[start] == UInt8(ascii: " ") {
            return newlines(scanner, scanner.end(of: .other, from: second.end))
        }
        return whiteSpaceWithNewlines(scanner, start)
    }

    /// `[\r\n]*`
    private func newlines(_ scanner: CharacterScanner, _ start: Int) -> Int {
        var end = start
        while end < scanner.text.count && isNewline(scanner.text[end]) { end += 1 }
        return end
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`
    private func whiteSpaceWithNewlines(_ scanner: CharacterScanner, _ start: Int) -> Int {
        let end = scanner.end(of: .space, from: start)
        if let last = scanner.text[start..<end].lastIndex(where: isNewline) { return last + 1 }
        return withoutLast(scanner, start, end)
    }

    /// `\s+(?!\S)|\s+`
    private func whiteSpace(_ scanner: CharacterScanner, _ start: Int) -> Int {
        withoutLast(scanner, start, scanner.end(of: .space, from: start))
    }

    /// White space in front of something leaves its last character to it, unless it is the only one.
    private func withoutLast(_ scanner: CharacterScanner, _ start: Int, _ end: Int) -> Int {
        guard end < scanner.text.count, case let last = scanner.start(before: end), last > start else { return end }
        return last
    }

    private func isNewline(_ byte: UInt8) -> Bool {
        byte == 0x0A || byte == 0x0D
    }

    /// The end of an English contraction (`'s`, `'ll`). Llama 3 and Qwen 2 take it in either case, and U+017F (ſ),
    /// whose simple case folding is s, for an s.
    private func contraction(in text: UnsafeBufferPointer<UInt8>, at start: Int) -> Int? {
        guard text[start] == UInt8(ascii: "'"), start + 1 < text.count else { return nil }
        let foldsCase = self != .gpt2
        func letter(_ place: Int) -> Unicode.Scalar {
            guard place < text.count else { return "\0" }
            let byte = text[place]
            return Unicode.Scalar(foldsCase && 0x41...0x5A ~= byte ? byte | 0x20 : byte)
        }
        switch (letter(start + 1), letter(start + 2)) {
        case ("s", _), ("t", _), ("m", _), ("d", _): return start + 2
        case ("r", "e"), ("v", "e"), ("l", "l"): return start + 3
        case ("\u{C5}", "\u{BF}") where foldsCase: return start + 3
        default: return nil
        }
    }
}
