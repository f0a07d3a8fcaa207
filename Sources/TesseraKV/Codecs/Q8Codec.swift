// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Keys and values as signed bytes with a scale for each 32: a little over half of fp16's size.
///
/// Numbers are taken in the order (token, KV head, dimension), 32 at a time, and stored as
/// x̂ = scale · q with −127 ≤ q ≤ 127; the scale is the least fp16 number that reaches the largest of them. Keys are
/// centred first: some dimensions of keys before RoPE have a mean far from 0, which would take up the whole scale. The
/// mean of each over the chunk's tokens is stored in fp16 and added again, x̂ = scale · q + mean.
///
/// A number's error is at most scale / 2, and 2⁻²³ · (|x| + |mean|) for the arithmetic in fp32. Rounding of scale and
/// mean to fp16 adds nothing to that, since numbers are rounded against them as they are stored; it makes the scale at
/// most (1 + 2⁻¹⁰) · max |x − mean| / 127 + 2⁻²⁴. See ``Q8Sections`` for the bytes.
public struct Q8Codec: KVCodec {
    /// The one q8 codec.
    public init() {}

    /// `q8`.
    public var name: String { "q8" }

    /// About 2 · (1 + 1/16) · tokens · heads · head dimension, and 2 · heads · head dimension for the means.
    public func byteCount(tokens: Int, layout: KVLayout) -> Int {
        Q8Sections(tokens: tokens, width: layout.width).byteCount
    }

    /// The bytes of one layer; see ``KVCodec/encode(keys:values:layout:)``.
    public func encode(keys: [Float], values: [Float], layout: KVLayout) throws(TesseraError) -> [UInt8] {
        let tokens = try CodecInput(keys, values, layout, codec: name).tokens
        let sections = Q8Sections(tokens: tokens, width: layout.width)
        guard sections.tokens > 0 else { return [] }
        var record = [UInt8](repeating: 0, count: sections.byteCount)
        record.withUnsafeMutableBytes { record in
            guard let start = record.baseAddress else { return }
            func halves(_ offset: Int) -> UnsafeMutablePointer<UInt16> {
                (start + offset).bindMemory(to: UInt16.self, capacity: 1)
            }
            func quants(_ offset: Int) -> UnsafeMutablePointer<Int8> {
                (start + offset).bindMemory(to: Int8.self, capacity: 1)
            }
            let means = halves(sections.means)
            ck_q8_means(means, keys, sections.tokens, layout.width)
            ck_q8_from_f32(
                quants(sections.keys), halves(sections.keyScales), keys, keys.count, means, layout.width)
            ck_q8_from_f32(
                quants(sections.values), halves(sections.valueScales), values, values.count, nil, layout.width)
        }
        return record
    }

    /// Decodes a layer record into a buffer; see ``KVCodec/place(_:tokens:into:layer:at:angles:)``.
    public func place(
        _ record: UnsafeRawBufferPointer, tokens: Int, into buffer: KVBuffer, layer: Int, at slot: Int,
        angles: RotaryAngles
    ) throws(TesseraError) {
        let sections = Q8Sections(tokens: tokens, width: buffer.layout.width)
        guard record.count == sections.byteCount, sections.gaps.allSatisfy({ record[$0].allSatisfy { $0 == 0 } })
        else { throw .misfit(record.count, tokens: tokens, codec: name) }
        let placement = Placement(tokens: tokens, into: buffer, layer: layer, at: slot, angles: angles)
        guard let start = record.baseAddress, tokens > 0 else { return }
        // A scale or mean that is not finite makes a number that is not: the kernels find it.
        try placement.placeKeys(
            ck_stored(
                storage: CK_STORED_Q8_CENTRED, numbers: start + sections.keys, high: nil,
                scales: start + sections.keyScales, means: start + sections.means), of: 0..<tokens)
        try placement.placeValues(
            ck_stored(
                storage: CK_STORED_Q8, numbers: start + sections.values, high: nil,
                scales: start + sections.valueScales, means: nil), of: 0..<tokens)
    }
}
