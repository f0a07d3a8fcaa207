// SPDX-License-Identifier: Apache-2.0

/// How the keys and values of one layer of a chunk become bytes, and how the bytes reach a request's buffer.
///
/// Keys are stored before RoPE; ``place(_:tokens:into:layer:at:angles:)`` rotates them to where they stand now.
public protocol KVCodec: Sendable {
    /// The codec's name, as records and options state it.
    var name: String { get }

    /// The codec of the form that a cache in memory keeps the records in, or `nil` where they stay as they are.
    ///
    /// Reading a record again from memory then doesn't cost its decompression again;
    /// ``unpack(_:tokens:layout:into:)`` makes that form.
    var unpackedCodec: (any KVCodec)? { get }

    /// Whether it makes something of ``EncodingHints/saliency``, so that working it out is worth the while.
    var usesSaliency: Bool { get }

    /// The largest size of a layer record, which is its size for codecs without entropy coding.
    func byteCount(tokens: Int, layout: KVLayout) -> Int

    /// The bytes of one layer.
    ///
    /// - Parameters:
    ///   - keys: Keys before RoPE, (token, KV head, dimension).
    ///   - values: Values, (token, KV head, dimension).
    /// - Throws: ``TesseraError`` of code `invalidInput` when a number is not finite or too large for the codec,
    ///   naming the token.
    func encode(keys: [Float], values: [Float], layout: KVLayout) throws(TesseraError) -> [UInt8]

    /// The bytes of one layer, made with what the caller knows beyond its numbers; other codecs ignore it.
    ///
    /// - Parameters:
    ///   - keys: Keys before RoPE, (token, KV head, dimension).
    ///   - values: Values, (token, KV head, dimension).
    ///   - hints: Which layer it is, and which of its tokens matter.
    /// - Throws: ``TesseraError`` of code `invalidInput` as ``encode(keys:values:layout:)``, or when the codec needs a hint
    ///   that is missing or doesn't fit.
    func encode(
        keys: [Float], values: [Float], layout: KVLayout, hints: EncodingHints
    ) throws(TesseraError) -> [UInt8]

    /// Decodes a layer record into a buffer: keys rotated to the slots' positions, values widened, one pass.
    ///
    /// - Parameters:
    ///   - record: The bytes that ``encode(keys:values:layout:)`` made, at any address.
    ///   - tokens: The number of tokens in the record.
    ///   - buffer: The request's buffer, its positions set.
    ///   - layer: The layer to fill.
    ///   - slot: Where the record's first token goes; the others follow it.
    ///   - angles: The model's rotation at the positions of those slots.
    /// - Throws: ``TesseraError`` of code `corrupt` when the record is not one of so many tokens or holds numbers that
    ///   are not finite, and of code `unsupported` when it is of a newer version than this build reads. The slots' rows
    ///   may then hold anything.
    func place(
        _ record: UnsafeRawBufferPointer, tokens: Int, into buffer: KVBuffer, layer: Int, at slot: Int,
        angles: RotaryAngles
    ) throws(TesseraError)

    /// Writes a layer record as ``unpackedCodec`` would have encoded it, or as it is where there is none.
    ///
    /// - Parameters:
    ///   - record: The bytes that ``encode(keys:values:layout:)`` made, at any address.
    ///   - tokens: The number of tokens in the record.
    ///   - layout: The shape of keys and values.
    ///   - destination: As many bytes as ``byteCount(tokens:layout:)`` of that codec.
    /// - Throws: ``TesseraError`` of code `corrupt` when the record is not one of so many tokens.
    func unpack(
        _ record: UnsafeRawBufferPointer, tokens: Int, layout: KVLayout, into destination: UnsafeMutableRawBufferPointer
    ) throws(TesseraError)
}

extension KVCodec {
    /// The bytes of one layer, whatever the hints.
    public func encode(
        keys: [Float], values: [Float], layout: KVLayout, hints: EncodingHints
    ) throws(TesseraError) -> [UInt8] {
        try encode(keys: keys, values: values, layout: layout)
    }

    /// The bytes of one layer of several; where it can't be kept, the layer is named too.
    ///
    /// - Parameters:
    ///   - layer: Which of the model's layers it is.
    ///   - keys: Keys before RoPE, (token, KV head, dimension).
    ///   - values: Values, (token, KV head, dimension).
    ///   - saliency: How much each token matters, where that is known.
    /// - Throws: ``TesseraError`` as ``encode(keys:values:layout:hints:)``.
    package func encode(
        layer: Int, keys: [Float], values: [Float], layout: KVLayout, saliency: [Float]? = nil
    ) throws(TesseraError) -> [UInt8] {
        do throws(TesseraError) {
            return try encode(
                keys: keys, values: values, layout: layout, hints: EncodingHints(layer: layer, saliency: saliency))
        } catch {
            throw TesseraError(error.code, "in layer \(layer), \(error.message)")
        }
    }

    /// By default not.
    public var usesSaliency: Bool { false }

    /// None: a record stays as it is.
    public var unpackedCodec: (any KVCodec)? { nil }

    /// Copies the record.
    public func unpack(
        _ record: UnsafeRawBufferPointer, tokens: Int, layout: KVLayout, into destination: UnsafeMutableRawBufferPointer
    ) throws(TesseraError) {
        let size = byteCount(tokens: tokens, layout: layout)
        guard record.count == size else { throw .misfit(record.count, tokens: tokens, codec: name) }
        precondition(destination.count == size, "room for the record, neither more nor less")
        destination.copyMemory(from: record)
    }
}
