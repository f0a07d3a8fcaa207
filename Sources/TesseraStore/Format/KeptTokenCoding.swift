// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

// Which tokens a record has rows of: a bit for each token, the first in the lowest of the first byte, and zeros up to a
// whole byte. In this form there is no order to get wrong, and each list has one form only.

extension ByteWriter {
    /// Adds the list of kept tokens, some of `tokens` and not all.
    mutating func add(kept: [Int], of tokens: Int) {
        var bits = [UInt8](repeating: 0, count: (tokens + 7) / 8)
        for token in kept { bits[token / 8] |= 1 << (token % 8) }
        for byte in bits { add(byte) }
    }
}

extension ByteReader {
    /// Reads a list of kept tokens, ascending. One of none, of all, or of tokens beyond the record's is damage.
    mutating func kept(of tokens: Int) throws(TesseraError) -> [Int] {
        var kept: [Int] = []
        for first in stride(from: 0, to: tokens, by: 8) {
            let bits = try number(UInt8.self)
            for bit in 0..<8 where bits >> bit & 1 == 1 { kept.append(first + bit) }
        }
        guard let last = kept.last, last < tokens, kept.count < tokens else { throw damaged("list of kept tokens") }
        return kept
    }
}
