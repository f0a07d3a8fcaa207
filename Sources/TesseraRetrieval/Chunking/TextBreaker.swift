// SPDX-License-Identifier: Apache-2.0

internal import CText

/// Finds the borders of sentences and words in UTF-8 text with ICU (Unicode Annex 29).
///
/// Sentences go on behind common English abbreviations (CLDR's suppressions). One instance serves one thread; opening
/// one costs as much as breaking a page of text.
final class TextBreaker {
    enum Unit { case sentence, word }

    private let breaker: OpaquePointer?

    /// A breaker; without ICU's data it finds no borders at all.
    init(_ unit: Unit) {
        breaker =
            unit == .sentence ? icu_breaker_open(ICU_SENTENCES, "en@ss=standard") : icu_breaker_open(ICU_WORDS, "")
    }

    deinit {
        if let breaker { icu_breaker_close(breaker) }
    }

    /// Calls `body` with each piece of `utf8` in order, as a range of bytes, and whether it is a word; the pieces join
    /// to the whole.
    func forEachPiece(
        of utf8: UnsafeBufferPointer<CChar>, _ body: (_ piece: Range<Int>, _ isWord: Bool) throws -> Void
    ) rethrows {
        guard let breaker, icu_breaker_set(breaker, utf8.baseAddress, Int64(utf8.count)) != 0 else {
            return try body(0..<utf8.count, true)
        }
        var start = 0
        while true {
            let next = Int(icu_breaker_next(breaker))
            if next < 0 { return }
            try body(start..<next, icu_breaker_is_word(breaker) != 0)
            start = next
        }
    }
}
