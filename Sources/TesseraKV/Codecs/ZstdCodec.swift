// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// The records of ``HalfCodec`` without loss in fewer bytes, by entropy coding of the numbers' high bytes.
///
/// The high byte of a number holds its sign and exponent, whose distribution is narrow; the low byte is nearly random.
/// So the two are kept in planes of their own, and each plane as a Zstandard frame (RFC 8878) or, where that saves next
/// to nothing, as it is. They are cut into blocks of whole tokens that are small enough for a core's own cache: a block
/// is decompressed there and goes from there into the request's buffer. See ``ZstdRecord`` for the bytes.
public struct ZstdCodec: KVCodec {
    /// The format of a number.
    public let format: HalfFormat

    /// The codec of a format.
    public init(_ format: HalfFormat) {
        self.format = format
    }

    /// `fp16-zstd` or `bf16-zstd`.
    public var name: String { format.rawValue + "-zstd" }

    /// The codec of the same numbers in plain form.
    public var unpackedCodec: (any KVCodec)? { plain }

    private var plain: HalfCodec { HalfCodec(format) }

    /// The size when nothing can be saved; see ``KVCodec/byteCount(tokens:layout:)``.
    public func byteCount(tokens: Int, layout: KVLayout) -> Int {
        let blocks = ZstdRecord.blockCount(tokens: tokens, perBlock: ZstdRecord.tokensPerBlock(width: layout.width))
        return ZstdRecord.headerByteCount(blocks: blocks) + plain.byteCount(tokens: tokens, layout: layout)
    }

    /// The bytes of one layer; see ``KVCodec/encode(keys:values:layout:)``.
    public func encode(keys: [Float], values: [Float], layout: KVLayout) throws(TesseraError) -> [UInt8] {
        let halves = try plain.encode(keys: keys, values: values, layout: layout)
        return try ZstdRecord.pack(halves, width: layout.width)
    }

    /// Decodes a layer record into a buffer; see ``KVCodec/place(_:tokens:into:layer:at:angles:)``.
    public func place(
        _ record: UnsafeRawBufferPointer, tokens: Int, into buffer: KVBuffer, layer: Int, at slot: Int,
        angles: RotaryAngles
    ) throws(TesseraError) {
        let placement = Placement(tokens: tokens, into: buffer, layer: layer, at: slot, angles: angles)
        try decode(record, tokens: tokens, width: buffer.layout.width) { block, low, high throws(TesseraError) in
            let stored = ck_stored(format.storage.planes, low, high: high)
            switch block.part {
            case .keys: try placement.placeKeys(stored, of: block.tokens)
            case .values: try placement.placeValues(stored, of: block.tokens)
            }
        }
    }

    /// Writes the record as ``HalfCodec`` would have encoded it.
    public func unpack(
        _ record: UnsafeRawBufferPointer, tokens: Int, layout: KVLayout, into destination: UnsafeMutableRawBufferPointer
    ) throws(TesseraError) {
        precondition(
            destination.count == plain.byteCount(tokens: tokens, layout: layout),
            "room for the plain record, neither more nor less")
        guard let start = destination.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        try decode(record, tokens: tokens, width: layout.width) { block, low, high in
            let first = (block.part == .keys ? 0 : tokens) + block.tokens.lowerBound
            ck_join_planes(
                start + 2 * first * layout.width, low.assumingMemoryBound(to: UInt8.self),
                high.assumingMemoryBound(to: UInt8.self), block.tokens.count * layout.width)
        }
    }

    /// Hands out the planes of each block in turn; they are gone when `use` returns.
    private func decode(
        _ record: UnsafeRawBufferPointer, tokens: Int, width: Int,
        use: (ZstdRecord.Block, _ low: UnsafeRawPointer, _ high: UnsafeRawPointer) throws(TesseraError) -> Void
    ) throws(TesseraError) {
        guard let parts = ZstdRecord(record, tokens: tokens, width: width) else {
            throw .misfit(record.count, tokens: tokens, codec: name)
        }
        try PlaneUnpacker.withOne { unpacker throws(TesseraError) in
            for block in parts.blocks {
                let size = block.tokens.count * width
                guard
                    let low = unpacker.unpack(block.low, to: size, as: .low),
                    let high = unpacker.unpack(block.high, to: size, as: .high)
                else { throw TesseraError(.corrupt, "a layer record in \(name) can't be decompressed") }
                try use(block, low, high)
            }
        }
    }
}
