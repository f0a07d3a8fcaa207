// SPDX-License-Identifier: Apache-2.0

/// Turns questions and texts into what FTS5 matches.
enum SearchQuery {
    /// An FTS5 query for any of the words of a question; nil where there is none in it.
    ///
    /// Every word is quoted, so that nothing in a question is syntax. Words without a meaning of their own are left
    /// out unless there are no others: BM25 gives them little weight where they are frequent, but "who" and "which"
    /// are rare in texts that answer.
    static func fts(_ question: String) -> String? {
        var words: [String] = []
        var seen: Set<String> = []
        for word in separated(question).lowercased().unicodeScalars.split(whereSeparator: { !isPartOfWord($0) }) {
            let word = String(word)
            if seen.insert(word).inserted { words.append(word) }
        }
        let meaningful = words.filter { !stopWords.contains($0) }
        let terms = (meaningful.isEmpty ? words : meaningful).prefix(greatestCount)
        return terms.isEmpty ? nil : terms.map { "\"\($0)\"" }.joined(separator: " OR ")
    }

    /// A question of more words than this is answered by its first ones.
    private static let greatestCount = 256

    private static func isPartOfWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber, .nonspacingMark, .spacingMark, .enclosingMark:
            true
        default: false
        }
    }

    /// The text with spaces between words where its script has none, by ICU's dictionaries; else the text itself.
    static func separated(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 >= 0xE0 }), text.unicodeScalars.contains(where: lacksSpaces) else {
            return text
        }
        var text = text
        var separated = ""
        text.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { characters in
                TextBreaker(.word).forEachPiece(of: characters) { piece, isWord in
                    separated += String(decoding: utf8[piece], as: UTF8.self)
                    if isWord { separated += " " }
                }
            }
        }
        return separated
    }

    /// Thai, Lao, Burmese, Khmer, Chinese and Japanese.
    private static func lacksSpaces(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x0E00...0x0EFF, 0x1000...0x109F, 0x1780...0x17FF, 0x3040...0x30FF, 0x3400...0x9FFF, 0xF900...0xFAFF,
            0x20000...0x3FFFF:
            true
        default: false
        }
    }

    /// English words that say nothing of what a question is about, with what splitting at apostrophes leaves.
    private static let stopWords: Set<String> = Set(
        """
        a about after all also am an and any are aren as at be because been before being between both but by can \
        cannot could couldn d did didn do does doesn doing don down during each either else ever every few for from \
        further had hadn has hasn have haven having he her here hers herself him himself his how however i if in into \
        is isn it its itself just ll m many may me might mine more most much must my myself no nor not now of off on \
        once one only or other our ours ourselves out over own per please re s same shall she should shouldn so some \
        such t tell than that the their theirs them themselves then there these they this those through to too under \
        until up upon us ve very was wasn we were weren what whatever when where whether which while who whom whose \
        why will with within without won would wouldn yet you your yours yourself yourselves
        """.split(separator: " ").map(String.init))
}
