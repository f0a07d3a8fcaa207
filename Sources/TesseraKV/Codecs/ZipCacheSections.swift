// SPDX-License-Identifier: Apache-2.0

/// Where the sections of a record of ``ZipCacheCodec`` begin, in bytes.
///
/// | section | bytes |
/// |---|---|
/// | ``PackedHeader``; the first field is the number of salient tokens | 16 |
/// | a bit for each token, from the lowest of the first byte on: whether it is salient | ⅛ each, rounded up |
/// | scales of the keys of salient tokens, (KV head, dimension) | 2 each |
/// | least of those keys | 2 each |
/// | scales of the other keys | 2 each |
/// | least of the other keys | 2 each |
/// | channels c of the values, (KV head, dimension) | 2 each |
/// | scale of each token's values | 2 each |
/// | least of each token's values | 2 each |
/// | keys of salient tokens: of each two in a byte, the first in its lowest bits | ½ each, rounded up for each token |
/// | the other keys, four in a byte | ¼ each, rounded up for each token |
/// | values of salient tokens | ½ each, rounded up for each token |
/// | the other values | ¼ each, rounded up for each token |
///
/// Each section begins at a multiple of 16; zeros fill the gaps. Scales and such are fp16, little-endian. Sections of a
/// kind that no token is of are empty.
struct ZipCacheSections {
    /// What the tokens of one number of bits have for themselves.
    struct Kind {
        let tokens: Int
        let rows: PackedRows
        let scales, leasts, keys, values: Int
    }

    let sections: RecordSections
    let tokens: Int
    let mask, channels, rowScales, rowLeasts: Int
    /// Salient tokens, then the others.
    let kinds: [Kind]

    init(tokens: Int, salient: Int, width: Int) {
        let counts = [salient, tokens - salient]
        let rows = [PackedRows(bits: 4, width: width), PackedRows(bits: 2, width: width)]
        let columns = counts.map { $0 > 0 ? 2 * width : 0 }
        let sizes = zip(counts, rows).map { $0 * $1.byteCount }
        sections = RecordSections(
            [
                (tokens + 7) / 8, columns[0], columns[0], columns[1], columns[1], tokens > 0 ? 2 * width : 0,
                2 * tokens,
                2 * tokens, sizes[0], sizes[1], sizes[0], sizes[1],
            ], from: tokens > 0 ? PackedHeader.byteCount : 0)
        let starts = sections.starts
        self.tokens = tokens
        mask = starts[0]
        (channels, rowScales, rowLeasts) = (starts[5], starts[6], starts[7])
        kinds = (0..<2).map {
            Kind(
                tokens: counts[$0], rows: rows[$0], scales: starts[1 + 2 * $0], leasts: starts[2 + 2 * $0],
                keys: starts[8 + $0], values: starts[10 + $0])
        }
    }

    /// Whether the mask of a record of this size has as many bits as it should, and nothing lies behind the last number of
    /// a row.
    func areSound(_ record: UnsafeRawBufferPointer) -> Bool {
        let bits = (0..<(tokens + 7) / 8).map { record[mask + $0] }
        let isBeyond = tokens % 8 > 0 && (bits.last ?? 0) >> UInt8(tokens % 8) != 0
        guard !isBeyond, bits.reduce(0, { $0 + $1.nonzeroBitCount }) == kinds[0].tokens else { return false }
        return kinds.allSatisfy { kind in
            kind.rows.areClean(record, at: kind.keys, rows: kind.tokens)
                && kind.rows.areClean(record, at: kind.values, rows: kind.tokens)
        }
    }
}
