// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Keys and values at 4 bits: 29 % of fp16's size.
///
/// Both are centred, rotated and put on a scale for each 32 coefficients, x̂ = mean + (scale · level) · H / √b; see
/// ``Q4Numbers`` for the formula. The first four tokens stay in fp16 and count in no mean: where they begin a prompt,
/// all others attend to them, and their keys lie far from the others' mean (KVTC, arXiv 2511.01815, whose quality falls
/// to nothing without). The last tokens are not protected: a question seldom follows the chunk directly, and more bits
/// for them bought no more than their share.
///
/// The relative error of normal numbers is 0.074; keys before RoPE with a few outlying dimensions keep 0.022. Squared
/// errors of a head never exceed those of a plain scale, (0.13 · largest coefficient of the block)² for each number.
/// See ``Q4Sections`` for the bytes.
public struct Q4Codec: KVCodec {
    /// The one q4 codec.
    public init() {}

    /// `q4`.
    public var name: String { "q4" }

    /// About 2 · (1/2 + 1/16) · tokens · heads · head dimension, 12 · heads · head dimension for the first four tokens and
    /// 4 · heads · head dimension for the means.
    public func byteCount(tokens: Int, layout: KVLayout) -> Int {
        Q4Sections(tokens: tokens, layout: layout).sections.byteCount
    }

    /// The bytes of one layer; see ``KVCodec/encode(keys:values:layout:)``.
    public func encode(keys: [Float], values: [Float], layout: KVLayout) throws(TesseraError) -> [UInt8] {
        let tokens = try CodecInput(keys, values, layout, codec: name).tokens
        guard tokens > 0 else { return [] }
        let parts = Q4Sections(tokens: tokens, layout: layout)
        var record = [UInt8](repeating: 0, count: parts.sections.byteCount)
        record.withUnsafeMutableBytes { record in
            PackedHeader().write(to: record)
            guard let start = record.baseAddress else { return }
            let first = parts.protected * layout.width
            for (numbers, whole, rest) in [
                (keys, parts.wholeKeys, parts.keys), (values, parts.wholeValues, parts.values),
            ] {
                numbers.withUnsafeBufferPointer { numbers in
                    guard let input = numbers.baseAddress else { return }
                    _ = HalfFormat.fp16.narrow(input, count: first, to: start.halves(whole))
                    rest.encode(input + first, to: start)
                }
            }
        }
        return record
    }

    /// Decodes a layer record into a buffer; see ``KVCodec/place(_:tokens:into:layer:at:angles:)``.
    public func place(
        _ record: UnsafeRawBufferPointer, tokens: Int, into buffer: KVBuffer, layer: Int, at slot: Int,
        angles: RotaryAngles
    ) throws(TesseraError) {
        let placement = Placement(tokens: tokens, into: buffer, layer: layer, at: slot, angles: angles)
        guard try !PackedHeader.isEmpty(record, tokens: tokens, codec: name), let start = record.baseAddress else {
            return
        }
        let header = try PackedHeader(record, tokens: tokens, codec: name)
        let parts = Q4Sections(tokens: tokens, layout: buffer.layout)
        guard header == PackedHeader(), parts.sections.fit(record), parts.keys.areClean(record),
            parts.values.areClean(record)
        else { throw .misfit(record.count, tokens: tokens, codec: name) }
        let (whole, rest) = (0..<parts.protected, parts.protected..<tokens)
        try placement.placeKeys(ck_stored(CK_STORED_F16, start + parts.wholeKeys), of: whole)
        try placement.placeValues(ck_stored(CK_STORED_F16, start + parts.wholeValues), of: whole)
        guard !rest.isEmpty else { return }
        try placement.rotating(rest) { parts.keys.place(start, to: $0, $1) }
        try placement.still(rest) { parts.values.place(start, to: $0, $1) }
    }
}

/// Where the sections of a record of ``Q4Codec`` begin, in bytes.
///
/// | section | bytes |
/// |---|---|
/// | ``PackedHeader``, no fields | 16 |
/// | means of the keys behind the first four tokens, (KV head, dimension) | 2 each |
/// | means of those values | 2 each |
/// | keys of the first four tokens in fp16, (token, KV head, dimension) | 2 each |
/// | values of the first four tokens in fp16 | 2 each |
/// | scales of the other keys: of each token, one for each 32 numbers and for the rest | 2 each |
/// | scales of the other values | 2 each |
/// | the other keys: of each token two in a byte, the first in its low half | ½ each, rounded up for each token |
/// | the other values | ½ each, rounded up for each token |
///
/// Each section begins at a multiple of 16; zeros fill the gaps. Scales and means are fp16, little-endian. A record of
/// four tokens or fewer has no means.
struct Q4Sections {
    let sections: RecordSections
    /// The tokens that are whole.
    let protected: Int
    let wholeKeys, wholeValues: Int
    let keys, values: Q4Numbers

    init(tokens: Int, layout: KVLayout) {
        protected = min(4, tokens)
        let (rest, width) = (tokens - protected, layout.width)
        let means = Q4Numbers.meansByteCount(tokens: rest, width: width)
        let scales = Q4Numbers.scalesByteCount(tokens: rest, width: width)
        let numbers = Q4Numbers.numbersByteCount(tokens: rest, width: width)
        let whole = 2 * protected * width
        sections = RecordSections(
            [means, means, whole, whole, scales, scales, numbers, numbers],
            from: tokens > 0 ? PackedHeader.byteCount : 0)
        let starts = sections.starts
        (wholeKeys, wholeValues) = (starts[2], starts[3])
        keys = Q4Numbers(tokens: rest, layout: layout, means: starts[0], scales: starts[4], numbers: starts[6])
        values = Q4Numbers(tokens: rest, layout: layout, means: starts[1], scales: starts[5], numbers: starts[7])
    }
}
