// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Keys as signed bytes and values at 4 bits: two fifths of fp16's size.
///
/// An error in a key changes which tokens are attended to, an error in a value only what they contribute; so keys are as
/// in ``Q8Codec`` and values as in ``Q4Codec``, without its protected tokens. A key's error is at most half its scale; a
/// value's relative error is about 0.074 where values are normal. See ``K8V4Sections`` for the bytes.
public struct K8V4Codec: KVCodec {
    /// The one k8v4 codec.
    public init() {}

    /// `k8v4`.
    public var name: String { "k8v4" }

    /// About (1 + 1/16 + 1/2 + 1/16) · tokens · heads · head dimension, and 4 · heads · head dimension for the means.
    public func byteCount(tokens: Int, layout: KVLayout) -> Int {
        K8V4Sections(tokens: tokens, layout: layout).sections.byteCount
    }

    /// The bytes of one layer; see ``KVCodec/encode(keys:values:layout:)``.
    public func encode(keys: [Float], values: [Float], layout: KVLayout) throws(TesseraError) -> [UInt8] {
        let tokens = try CodecInput(keys, values, layout, codec: name).tokens
        guard tokens > 0 else { return [] }
        let parts = K8V4Sections(tokens: tokens, layout: layout)
        var record = [UInt8](repeating: 0, count: parts.sections.byteCount)
        record.withUnsafeMutableBytes { record in
            PackedHeader().write(to: record)
            guard let start = record.baseAddress else { return }
            let means = start.halves(parts.keyMeans)
            ck_q8_means(means, keys, tokens, layout.width)
            ck_q8_from_f32(
                (start + parts.keys).bindMemory(to: Int8.self, capacity: keys.count), start.halves(parts.keyScales),
                keys,
                keys.count, means, layout.width)
            parts.values.encode(values, to: start)
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
        let parts = K8V4Sections(tokens: tokens, layout: buffer.layout)
        guard header == PackedHeader(), parts.sections.fit(record), parts.values.areClean(record) else {
            throw .misfit(record.count, tokens: tokens, codec: name)
        }
        try placement.placeKeys(
            ck_stored(
                storage: CK_STORED_Q8_CENTRED, numbers: start + parts.keys, high: nil, scales: start + parts.keyScales,
                means: start + parts.keyMeans), of: 0..<tokens)
        try placement.still(0..<tokens) { parts.values.place(start, to: $0, $1) }
    }
}

/// Where the sections of a record of ``K8V4Codec`` begin, in bytes.
///
/// | section | bytes |
/// |---|---|
/// | ``PackedHeader``, no fields | 16 |
/// | means of the keys, (KV head, dimension) | 2 each |
/// | scales of the keys, one for each 32 numbers and for the rest | 2 each |
/// | means of the values, (KV head, dimension) | 2 each |
/// | scales of the values: of each token, one for each 32 numbers and for the rest | 2 each |
/// | keys, (token, KV head, dimension) | 1 each |
/// | values: of each token two in a byte, the first in its low half | ½ each, rounded up to whole bytes for each token |
///
/// Each section begins at a multiple of 16; zeros fill the gaps. Scales and means are fp16, little-endian.
struct K8V4Sections {
    let sections: RecordSections
    let keyMeans, keyScales, keys: Int
    let values: Q4Numbers

    init(tokens: Int, layout: KVLayout) {
        let width = layout.width
        let sizes = [
            2 * width, 2 * ((tokens * width + 31) / 32), Q4Numbers.meansByteCount(tokens: tokens, width: width),
            Q4Numbers.scalesByteCount(tokens: tokens, width: width), tokens * width,
            Q4Numbers.numbersByteCount(tokens: tokens, width: width),
        ]
        sections =
            tokens > 0 ? RecordSections(sizes, from: PackedHeader.byteCount) : RecordSections(sizes.map { _ in 0 })
        let starts = sections.starts
        (keyMeans, keyScales, keys) = (starts[0], starts[1], starts[4])
        values = Q4Numbers(tokens: tokens, layout: layout, means: starts[2], scales: starts[3], numbers: starts[5])
    }
}
