// SPDX-License-Identifier: Apache-2.0

/// Where the sections of a record of ``Q8Codec`` begin, in bytes.
///
/// | section | bytes |
/// |---|---|
/// | means of the keys, (KV head, dimension) | 2 each |
/// | scales of the keys, one for each 32 numbers and for the rest | 2 each |
/// | scales of the values | 2 each |
/// | keys, (token, KV head, dimension) | 1 each |
/// | values | 1 each |
///
/// Each section begins at a multiple of 16; zeros fill the gaps. Scales and means are fp16, little-endian. A record of
/// no tokens is empty.
struct Q8Sections {
    let tokens: Int
    let means: Int
    let keyScales: Int
    let valueScales: Int
    let keys: Int
    let values: Int
    let byteCount: Int
    /// The zeros behind each section but the last.
    let gaps: [Range<Int>]

    init(tokens: Int, width: Int) {
        let numbers = tokens * width
        let scales = 2 * ((numbers + 31) / 32)
        let sizes = tokens > 0 ? [2 * width, scales, scales, numbers, numbers] : [0, 0, 0, 0, 0]
        let sections = RecordSections(sizes)
        self.tokens = tokens
        gaps = sections.gaps
        let starts = sections.starts
        (means, keyScales, valueScales, keys, values) = (starts[0], starts[1], starts[2], starts[3], starts[4])
        byteCount = sections.byteCount
    }
}
