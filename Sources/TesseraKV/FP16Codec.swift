// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Keys and values as IEEE half-precision numbers: 4 bytes per KV number pair, a rounding error of at most 2⁻¹¹ of
/// each number.
///
/// A layer record is all keys, (token, KV head, dimension), then all values in the same order, little-endian.
public struct FP16Codec: KVCodec {
    /// The one fp16 codec.
    public init() {}

    /// `fp16`.
    public var name: String { "fp16" }

    /// 4 · tokens · heads · head dimension.
    public func byteCount(tokens: Int, layout: KVLayout) -> Int {
        2 * tokens * layout.width * MemoryLayout<UInt16>.stride
    }

    /// The bytes of one layer; see ``KVCodec/encode(keys:values:layout:)``.
    public func encode(keys: [Float], values: [Float], layout: KVLayout) throws(TesseraError) -> [UInt8] {
        precondition(keys.count == values.count && keys.count % layout.width == 0, "keys and values of whole tokens")
        var refused: Int?
        let record = [UInt8](unsafeUninitializedCapacity: 4 * keys.count) { bytes, count in
            let halves = UnsafeMutableRawBufferPointer(bytes).bindMemory(to: UInt16.self)
            guard let start = halves.baseAddress else { return }
            for (index, numbers) in [keys, values].enumerated() {
                let converted = ck_f16_from_f32(start + index * keys.count, numbers, numbers.count)
                if converted < numbers.count { refused = refused ?? converted / layout.width }
            }
            count = 4 * keys.count
        }
        if let refused {
            throw TesseraError(
                .invalidInput,
                "token \(refused) has a key or value that is not finite or beyond fp16's range (65504); it can't be kept"
            )
        }
        return record
    }

    /// Decodes a layer record into a buffer; see ``KVCodec/place(_:tokens:into:layer:at:angles:)``.
    public func place(
        _ record: UnsafeRawBufferPointer, tokens: Int, into buffer: KVBuffer, layer: Int, at slot: Int,
        angles: RotaryAngles
    ) throws(TesseraError) {
        let layout = buffer.layout
        guard record.count == byteCount(tokens: tokens, layout: layout) else {
            throw TesseraError(
                .corrupt, "a layer record of \(record.count) bytes is not one of \(tokens) tokens in fp16")
        }
        precondition(slot >= 0 && slot + tokens <= buffer.capacity, "slots beyond the buffer")
        precondition(angles.cosines.count == tokens * angles.pairs, "one rotation per token")
        guard tokens > 0, let start = record.baseAddress,
            let keys = buffer.keys(of: layer).baseAddress, let values = buffer.values(of: layer).baseAddress
        else { return }
        let halves = start.assumingMemoryBound(to: UInt16.self)
        let count = tokens * layout.width
        let offset = slot * layout.width
        ck_place_keys_f16(
            keys + offset, halves, tokens, layout.heads, layout.headDimension, angles.cosines, angles.sines,
            angles.pairs, angles.pairing == .halves)
        ck_f32_from_f16(values + offset, halves + count, count)
    }
}
