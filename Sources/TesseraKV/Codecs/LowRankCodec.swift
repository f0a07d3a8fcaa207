// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Keys and values by their coefficients in a basis of each head, as signed bytes with a scale for each 32.
///
/// The inference form of MatryoshkaKV (arXiv 2410.14731): c = (x − mean) · Uᵣ is stored for the r leading directions Uᵣ
/// of a head, and x̂ = mean + ĉ · Uᵣᵀ is placed; ĉ = scale · q as in ``Q8Codec``. The paper folds the way back into the
/// attention and trains U; here keys are expanded at load, before RoPE, and U is the principal directions of calibration
/// text (``LowRankBasis``). The error is what lies outside the directions, and ‖ĉ − c‖ inside: at most half a scale for
/// each coefficient.
///
/// Encoding needs ``EncodingHints/layer``. A record says which layer's and which basis's it is; placing goes by that,
/// whatever layer of the buffer it fills. See ``LowRankSections`` for the bytes.
public struct LowRankCodec: KVCodec {
    /// The directions.
    public let basis: LowRankBasis
    /// `lowrank-` and the first eight hexadecimal digits of the basis's digest.
    public let name: String

    private struct Layer {
        let ranks: [Int]
        let directions: [Float]
        let means: [Float]

        var total: Int { ranks.reduce(0, +) }

        init(_ heads: ArraySlice<LowRankBasis.Head>) {
            (ranks, directions, means) = (heads.map(\.rank), heads.flatMap(\.directions), heads.flatMap(\.mean))
        }
    }

    /// (layer, part).
    private let layers: [Layer]

    /// The codec of a basis.
    public init(basis: LowRankBasis) {
        self.basis = basis
        name = "lowrank-" + basis.digest.description.prefix(8)
        layers = (0..<basis.layout.layers).flatMap { layer in
            KVPart.allCases.map { Layer(basis.heads($0, layer: layer)) }
        }
    }

    /// The size of the layer of the largest ranks; about (1 + 1/16) · tokens · rank of all heads' keys and values.
    public func byteCount(tokens: Int, layout: KVLayout) -> Int {
        (0..<basis.layout.layers).map { sections(tokens: tokens, layer: $0).sections.byteCount }.max() ?? 0
    }

    private func sections(tokens: Int, layer: Int) -> LowRankSections {
        LowRankSections(tokens: tokens, ranks: (layers[2 * layer].total, layers[2 * layer + 1].total))
    }

    /// Refuses: a layer must be named; see ``encode(keys:values:layout:hints:)``.
    public func encode(keys: [Float], values: [Float], layout: KVLayout) throws(TesseraError) -> [UInt8] {
        try encode(keys: keys, values: values, layout: layout, hints: EncodingHints())
    }

    /// The bytes of one layer; see ``KVCodec/encode(keys:values:layout:hints:)``.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput`, also when the hints name no layer of the basis or the shape is not
    ///   its model's.
    public func encode(
        keys: [Float], values: [Float], layout: KVLayout, hints: EncodingHints
    ) throws(TesseraError) -> [UInt8] {
        let tokens = try CodecInput(keys, values, layout, codec: name).tokens
        guard let layer = hints.layer, (0..<basis.layout.layers).contains(layer), isOfModel(layout) else {
            throw TesseraError(
                .invalidInput,
                "\(name) needs the number of one of its basis's \(basis.layout.layers) layers, with "
                    + "\(basis.layout.heads) KV heads of \(basis.layout.headDimension) dimensions")
        }
        guard tokens > 0 else { return [] }
        let parts = sections(tokens: tokens, layer: layer)
        var record = [UInt8](repeating: 0, count: parts.sections.byteCount)
        record.withUnsafeMutableBytes { record in
            header(layer: layer).write(to: record)
            guard let start = record.baseAddress else { return }
            for (part, numbers) in [keys, values].enumerated() {
                put(numbers, tokens: tokens, layers[2 * layer + part], parts.parts[part], start)
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
        guard isOfModel(buffer.layout) else { throw .misfit(record.count, tokens: tokens, codec: name) }
        guard let (own, parts) = try read(record, tokens: tokens), let start = record.baseAddress else { return }
        try placement.rotating(0..<tokens) { place(start, layers[2 * own], parts.parts[0], tokens, to: $0, $1) }
        try placement.still(0..<tokens) { place(start, layers[2 * own + 1], parts.parts[1], tokens, to: $0, $1) }
    }

    /// Copies the record, of whichever layer; `destination` is of its size.
    ///
    /// - Throws: ``TesseraError`` of code `corrupt`, also when `destination` is of another size: only the record says which
    ///   is right.
    public func unpack(
        _ record: UnsafeRawBufferPointer, tokens: Int, layout: KVLayout, into destination: UnsafeMutableRawBufferPointer
    ) throws(TesseraError) {
        _ = try read(record, tokens: tokens)
        guard destination.count == record.count else {
            throw .misfit(record.count, tokens: tokens, codec: name)
        }
        destination.copyMemory(from: record)
    }

    private func isOfModel(_ layout: KVLayout) -> Bool {
        layout.heads == basis.layout.heads && layout.headDimension == basis.layout.headDimension
    }

    private func header(layer: Int) -> PackedHeader {
        let digest = basis.digest.bytes.withUnsafeBytes { bytes in
            (0..<2).map { UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)) }
        }
        return PackedHeader(UInt32(layer), digest[0], digest[1])
    }

    /// The layer and the parts of a record; `nil` for one of no tokens.
    private func read(
        _ record: UnsafeRawBufferPointer, tokens: Int
    ) throws(TesseraError) -> (layer: Int, LowRankSections)? {
        guard try !PackedHeader.isEmpty(record, tokens: tokens, codec: name) else { return nil }
        let fields = try PackedHeader(record, tokens: tokens, codec: name)
        let layer = Int(fields.fields[0])
        guard layer < basis.layout.layers, fields == header(layer: layer) else {
            throw .misfit(record.count, tokens: tokens, codec: name)
        }
        let parts = sections(tokens: tokens, layer: layer)
        guard parts.sections.fit(record) else { throw .misfit(record.count, tokens: tokens, codec: name) }
        return (layer, parts)
    }

    private func put(
        _ numbers: [Float], tokens: Int, _ layer: Layer, _ part: LowRankSections.Part, _ start: UnsafeMutableRawPointer
    ) {
        let (dimension, width) = (basis.layout.headDimension, basis.layout.width)
        var coefficients = [Float](repeating: 0, count: layer.total)
        for token in 0..<tokens {
            var (next, line) = (0, 0)
            for (head, rank) in layer.ranks.enumerated() {
                for _ in 0..<rank {
                    var sum = 0.0
                    for index in 0..<dimension {
                        let column = head * dimension + index
                        let rest = Double(numbers[token * width + column]) - Double(layer.means[column])
                        sum += rest * Double(layer.directions[line + index])
                    }
                    coefficients[next] = Float(sum)
                    next += 1
                    line += dimension
                }
            }
            ck_q8_from_f32(
                (start + part.numbers + token * part.rank).bindMemory(to: Int8.self, capacity: part.rank),
                start.halves(part.scales + 2 * token * part.blocks), coefficients, part.rank, nil, part.rank)
        }
    }

    private func place(
        _ start: UnsafeRawPointer, _ layer: Layer, _ part: LowRankSections.Part, _ tokens: Int,
        to out: UnsafeMutablePointer<Float>, _ rotation: UnsafePointer<ck_rotation>
    ) -> Bool {
        let layout = basis.layout
        var room = [Float](repeating: 0, count: Int(CK_LOWRANK_TOKENS) * max(1, part.rank))
        return room.withUnsafeMutableBufferPointer { room in
            layer.ranks.withUnsafeBufferPointer { ranks in
                // A layer without any direction has no memory to point at, and none is read.
                (layer.directions + [0]).withUnsafeBufferPointer { directions in
                    layer.means.withUnsafeBufferPointer { means in
                        guard let room = room.baseAddress, let ranks = ranks.baseAddress,
                            let directions = directions.baseAddress, let means = means.baseAddress
                        else { return true }
                        return withUnsafePointer(
                            to: ck_lowrank(
                                numbers: start + part.numbers, scales: start + part.scales, ranks: ranks,
                                basis: directions, means: means, coefficients: room)
                        ) { ck_place_lowrank(out, $0, tokens, layout.heads, layout.headDimension, rotation) }
                    }
                }
            }
        }
    }
}

/// Where the sections of a record of ``LowRankCodec`` begin, in bytes.
///
/// | section | bytes |
/// |---|---|
/// | ``PackedHeader``; the fields are the layer and the first eight bytes of the basis's digest | 16 |
/// | scales of the keys: of each token, one for each 32 coefficients and for the rest | 2 each |
/// | scales of the values | 2 each |
/// | coefficients of the keys, of each token (KV head, direction) | 1 each |
/// | coefficients of the values | 1 each |
///
/// Each section begins at a multiple of 16; zeros fill the gaps. Scales are fp16, little-endian.
struct LowRankSections {
    /// Keys or values.
    struct Part {
        /// The rank of all heads.
        let rank: Int
        let scales, numbers: Int

        /// Scales of a token.
        var blocks: Int { (rank + 31) / 32 }
    }

    let sections: RecordSections
    let parts: [Part]

    init(tokens: Int, ranks: (keys: Int, values: Int)) {
        let ranks = [ranks.keys, ranks.values]
        sections = RecordSections(
            ranks.map { 2 * tokens * (($0 + 31) / 32) } + ranks.map { tokens * $0 },
            from: tokens > 0 ? PackedHeader.byteCount : 0)
        let starts = sections.starts
        parts = (0..<2).map { Part(rank: ranks[$0], scales: starts[$0], numbers: starts[2 + $0]) }
    }
}
