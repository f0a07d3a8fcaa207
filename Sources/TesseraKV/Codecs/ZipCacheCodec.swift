// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Keys and values at 4 bits for tokens that matter and at 2 bits for the others: a fifth of fp16's size.
///
/// ZipCache (arXiv 2405.14256), §4. With q = round((x − least) / scale) of b bits:
///
/// - keys by the channel: each (KV head, dimension) has a scale and a least number over the tokens of 4 bits, and others
///   over those of 2 bits, x̂ = q · scale + least;
/// - values tokenwise with channels made alike: c = √max_t |x_t| for each channel, and each token's y = x / c has a scale
///   and a least number over all channels, x̂ = (q · scale + least) · c.
///
/// Parameters are fp16, the least number rounded down and the scale up, so that a key's error is at most half its scale
/// and a value's half its scale times c. The relative error of normal values of 4 bits is 0.10 with 128 channels.
///
/// Three deviations from the paper: one set of salient tokens for all KV heads of a layer, because rows are recomputed
/// whole and the mask is then a bit for each token; keys before RoPE, whose channels keep their mean; and, where
/// ``EncodingHints/saliency`` says nothing, ``TokenSaliency/keyDifference(_:layout:)`` in place of attention: of a chunk that
/// is only written anew there is none to be had. See ``ZipCacheSections`` for the bytes.
public struct ZipCacheCodec: KVCodec {
    /// The share of tokens that are stored at 4 bits when encoding, 0 … 1. Records of any share can be read.
    public let salientShare: Double

    /// A codec that stores a share of tokens at 4 bits; the paper's experiments give it as 0.6.
    public init(salientShare: Double = 0.6) {
        precondition((0...1).contains(salientShare), "a share of the tokens")
        self.salientShare = salientShare
    }

    /// `zipcache`, whatever the share.
    public var name: String { "zipcache" }

    /// It does: tokens of 4 bits are those that matter most.
    public var usesSaliency: Bool { true }

    /// About (share + (1 − share) / 2) · tokens · heads · head dimension, up to 18 · heads · head dimension for the channels
    /// and 4 · tokens; exact for this share.
    public func byteCount(tokens: Int, layout: KVLayout) -> Int {
        ZipCacheSections(tokens: tokens, salient: salientCount(tokens), width: layout.width).sections.byteCount
    }

    private func salientCount(_ tokens: Int) -> Int {
        min(tokens, Int((Double(tokens) * salientShare).rounded(.up)))
    }

    /// The bytes of one layer, with saliency by its keys; see ``KVCodec/encode(keys:values:layout:)``.
    public func encode(keys: [Float], values: [Float], layout: KVLayout) throws(TesseraError) -> [UInt8] {
        try encode(keys: keys, values: values, layout: layout, hints: EncodingHints())
    }

    /// The bytes of one layer; see ``KVCodec/encode(keys:values:layout:hints:)``. Of equally salient tokens, the first are
    /// taken.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput`, also when there is not one finite saliency for each token.
    public func encode(
        keys: [Float], values: [Float], layout: KVLayout, hints: EncodingHints
    ) throws(TesseraError) -> [UInt8] {
        let tokens = try CodecInput(keys, values, layout, codec: name).tokens
        guard tokens > 0 else { return [] }
        let saliency = hints.saliency ?? TokenSaliency.keyDifference(keys, layout: layout)
        guard saliency.count == tokens, saliency.allSatisfy(\.isFinite) else {
            throw TesseraError(
                .invalidInput, "\(name) needs one finite saliency for each of \(tokens) tokens, or none at all")
        }
        let order = (0..<tokens).sorted { (saliency[$1], $0) < (saliency[$0], $1) }
        let salient = Set(order.prefix(salientCount(tokens)))
        let parts = ZipCacheSections(tokens: tokens, salient: salient.count, width: layout.width)
        var record = [UInt8](repeating: 0, count: parts.sections.byteCount)
        record.withUnsafeMutableBytes { record in
            PackedHeader(UInt32(salient.count)).write(to: record)
            guard let start = record.baseAddress else { return }
            for token in salient { record[parts.mask + token / 8] |= 1 << UInt8(token % 8) }
            let rows = [salient.sorted(), (0..<tokens).filter { !salient.contains($0) }]
            keys.withUnsafeBufferPointer { keys in
                guard let keys = keys.baseAddress else { return }
                for (kind, rows) in zip(parts.kinds, rows) {
                    ZipCacheEncoder.putKeys(keys, rows: rows, width: layout.width, kind, start)
                }
            }
            values.withUnsafeBufferPointer { values in
                guard let values = values.baseAddress else { return }
                ZipCacheEncoder.putValues(values, rows: rows, parts, start)
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
        let layout = buffer.layout
        guard let parts = try sections(of: record, tokens: tokens, layout), let start = record.baseAddress else {
            return
        }
        let mask = (start + parts.mask).assumingMemoryBound(to: UInt8.self)
        let none = [Float](repeating: 0, count: layout.width)
        func columns(_ kind: ZipCacheSections.Kind, _ section: Int) -> [Float] {
            kind.tokens > 0 ? (start + section).floats(layout.width) : none
        }
        let (fine, coarse) = (parts.kinds[0], parts.kinds[1])
        let scales = columns(coarse, coarse.scales) + columns(fine, fine.scales)
        let leasts = columns(coarse, coarse.leasts) + columns(fine, fine.leasts)
        try placement.rotating(0..<tokens) { out, rotation in
            scales.withUnsafeBufferPointer { scales in
                leasts.withUnsafeBufferPointer { leasts in
                    guard let scales = scales.baseAddress, let leasts = leasts.baseAddress else { return true }
                    return withUnsafePointer(
                        to: ck_mixed(
                            salient: mask, fine: start + fine.keys, coarse: start + coarse.keys,
                            column_scales: (scales, scales + layout.width),
                            column_leasts: (leasts, leasts + layout.width), row_scales: nil, row_leasts: nil,
                            channels: nil)
                    ) { ck_place_mixed(out, $0, tokens, layout.heads, layout.headDimension, rotation) }
                }
            }
        }
        let channels = (start + parts.channels).floats(layout.width)
        try placement.still(0..<tokens) { out, rotation in
            channels.withUnsafeBufferPointer { channels in
                withUnsafePointer(
                    to: ck_mixed(
                        salient: mask, fine: start + fine.values, coarse: start + coarse.values,
                        column_scales: (nil, nil), column_leasts: (nil, nil), row_scales: start + parts.rowScales,
                        row_leasts: start + parts.rowLeasts, channels: channels.baseAddress)
                ) { ck_place_mixed(out, $0, tokens, layout.heads, layout.headDimension, rotation) }
            }
        }
    }

    /// Copies the record, whatever its share of salient tokens; `destination` is of its size.
    ///
    /// - Throws: ``TesseraError`` of code `corrupt`, also when `destination` is of another size: only the record says which
    ///   is right.
    public func unpack(
        _ record: UnsafeRawBufferPointer, tokens: Int, layout: KVLayout, into destination: UnsafeMutableRawBufferPointer
    ) throws(TesseraError) {
        _ = try sections(of: record, tokens: tokens, layout)
        guard destination.count == record.count else {
            throw .misfit(record.count, tokens: tokens, codec: name)
        }
        destination.copyMemory(from: record)
    }

    /// The parts of a record, which fit each other; `nil` for one of no tokens.
    private func sections(
        of record: UnsafeRawBufferPointer, tokens: Int, _ layout: KVLayout
    ) throws(TesseraError) -> ZipCacheSections? {
        guard try !PackedHeader.isEmpty(record, tokens: tokens, codec: name) else { return nil }
        let header = try PackedHeader(record, tokens: tokens, codec: name)
        guard header == PackedHeader(header.fields[0]), header.fields[0] <= tokens else {
            throw .misfit(record.count, tokens: tokens, codec: name)
        }
        let parts = ZipCacheSections(tokens: tokens, salient: Int(header.fields[0]), width: layout.width)
        guard parts.sections.fit(record), parts.areSound(record) else {
            throw .misfit(record.count, tokens: tokens, codec: name)
        }
        return parts
    }
}
