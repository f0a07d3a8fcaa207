// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Keys and values as 16-bit numbers: 4 bytes for a key and a value, with a rounding error of at most 2⁻¹¹ of each
/// number in fp16 and 2⁻⁸ in bf16.
///
/// A layer record is all keys, (token, KV head, dimension), then all values in the same order, little-endian.
public struct HalfCodec: KVCodec {
    /// The format of a number.
    public let format: HalfFormat

    /// The codec of a format.
    public init(_ format: HalfFormat) {
        self.format = format
    }

    /// `fp16` or `bf16`.
    public var name: String { format.rawValue }

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
                let converted = format.narrow(numbers, to: start + index * keys.count)
                if converted < numbers.count { refused = refused ?? converted / layout.width }
            }
            count = 4 * keys.count
        }
        if let refused { throw .unkeepable(token: refused, codec: name, limit: format.limit) }
        return record
    }

    /// Decodes a layer record into a buffer; see ``KVCodec/place(_:tokens:into:layer:at:angles:)``.
    public func place(
        _ record: UnsafeRawBufferPointer, tokens: Int, into buffer: KVBuffer, layer: Int, at slot: Int,
        angles: RotaryAngles
    ) throws(TesseraError) {
        try check(record, tokens: tokens, buffer.layout)
        let placement = Placement(tokens: tokens, into: buffer, layer: layer, at: slot, angles: angles)
        guard let start = record.baseAddress, tokens > 0 else { return }
        let storage = format.storage.whole
        let values = start + record.count / 2
        try placement.placeKeys(ck_stored(storage, start), of: 0..<tokens)
        try placement.placeValues(ck_stored(storage, values), of: 0..<tokens)
    }

    /// Decodes the keys of some of a layer record's tokens: for those who take its values as they lie.
    ///
    /// - Parameters:
    ///   - record: The whole record.
    ///   - range: Which of its tokens; the first goes to the buffer's slot of the same number.
    ///   - tokens: Those of the record.
    /// - Throws: ``TesseraError`` as ``KVCodec/place(_:tokens:into:layer:at:angles:)``.
    package func placeKeys(
        _ record: UnsafeRawBufferPointer, of range: Range<Int>, tokens: Int, into buffer: KVBuffer, layer: Int,
        angles: RotaryAngles
    ) throws(TesseraError) {
        try check(record, tokens: tokens, buffer.layout)
        let placement = Placement(tokens: tokens, into: buffer, layer: layer, at: 0, angles: angles)
        guard let start = record.baseAddress, !range.isEmpty else { return }
        let keys = start + byteCount(tokens: range.lowerBound, layout: buffer.layout) / 2
        try placement.placeKeys(ck_stored(format.storage.whole, keys), of: range)
    }

    /// The values of a layer record as they lie in it. That they are finite was seen to when it was made, and its checksum
    /// says that they are still the same.
    ///
    /// - Parameter tokens: Those of the record.
    /// - Throws: ``TesseraError`` of code `corrupt` for a record of another size.
    package func values(
        in record: UnsafeRawBufferPointer, tokens: Int, layout: KVLayout
    ) throws(TesseraError) -> UnsafeRawBufferPointer {
        try check(record, tokens: tokens, layout)
        return UnsafeRawBufferPointer(rebasing: record[(record.count / 2)...])
    }

    private func check(
        _ record: UnsafeRawBufferPointer, tokens: Int, _ layout: KVLayout
    ) throws(TesseraError) {
        guard record.count == byteCount(tokens: tokens, layout: layout) else {
            throw .misfit(record.count, tokens: tokens, codec: name)
        }
    }
}
