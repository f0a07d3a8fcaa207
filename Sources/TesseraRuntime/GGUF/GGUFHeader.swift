// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Everything in a GGUF file in front of the tensors' bytes, read and validated.
///
/// The layout is that of ggml's `docs/gguf.md`: magic, version, two counts, the metadata, the tensors' descriptions,
/// padding, data. No count, length or offset is used before it is held against what the file has room for.
struct GGUFHeader {
    private(set) var metadata: [String: GGUFValue] = [:]
    private(set) var tensors: [GGUFTensor] = []

    /// The most elements that all metadata lists may have together; vocabularies have a quarter of a million.
    private static let mostElements = 1 << 23
    /// How deep lists may be nested in lists.
    private static let deepestNesting = 4

    private var cursor: GGUFCursor
    private var elementCount = 0

    /// Reads the header of a file.
    ///
    /// - Parameters:
    ///   - bytes: The whole file.
    ///   - path: Its name, for messages.
    init(_ bytes: UnsafeRawBufferPointer, path: String) throws(TesseraError) {
        cursor = GGUFCursor(bytes: bytes, path: path)
        guard bytes.starts(with: "GGUF".utf8) else {
            throw TesseraError(.corrupt, "\(path) is not a GGUF file")
        }
        cursor.offset = 4
        try readVersion()
        let tensorCount: UInt64 = try cursor.number("the number of tensors")
        let valueCount: UInt64 = try cursor.number("the number of metadata values")
        try readMetadata(valueCount)
        try readTensors(tensorCount)
    }

    private mutating func readVersion() throws(TesseraError) {
        let version: UInt32 = try cursor.number("the version")
        if version == 2 || version == 3 { return }
        if version.byteSwapped == 2 || version.byteSwapped == 3 {
            throw TesseraError(.unsupported, "\(cursor.path) is a big-endian GGUF file; convert it to little-endian")
        }
        throw TesseraError(
            .unsupported, "\(cursor.path) is of GGUF version \(version); versions 2 and 3 can be read")
    }

    // MARK: Metadata

    private mutating func readMetadata(_ count: UInt64) throws(TesseraError) {
        let count = try cursor.plausible(count, eachAtLeast: 13, "metadata values")
        metadata.reserveCapacity(min(count, 1024))
        for index in 0..<count {
            let key = try cursor.string("the name of metadata value \(index)")
            let kind = try readKind("the type of \(key)")
            let value = try readValue(kind, of: key, depth: 0)
            guard metadata.updateValue(value, forKey: key) == nil else {
                throw cursor.corrupt("the metadata value \(key) is there twice")
            }
        }
    }

    private mutating func readKind(_ what: String) throws(TesseraError) -> GGUFValueKind {
        let code: UInt32 = try cursor.number(what)
        guard let kind = GGUFValueKind(rawValue: code) else {
            throw cursor.corrupt("\(what) has the unknown code \(code)")
        }
        return kind
    }

    private mutating func readValue(
        _ kind: GGUFValueKind, of key: String, depth: Int
    ) throws(TesseraError) -> GGUFValue {
        switch kind {
        case .uint8: .uint8(try cursor.number(key))
        case .int8: .int8(try cursor.number(key))
        case .uint16: .uint16(try cursor.number(key))
        case .int16: .int16(try cursor.number(key))
        case .uint32: .uint32(try cursor.number(key))
        case .int32: .int32(try cursor.number(key))
        case .uint64: .uint64(try cursor.number(key))
        case .int64: .int64(try cursor.number(key))
        case .float32: .float32(Float(bitPattern: try cursor.number(key)))
        case .float64: .float64(Double(bitPattern: try cursor.number(key)))
        case .bool: .bool(try readBool(key))
        case .string: .string(try cursor.string(key))
        case .array: .array(try readArray(of: key, depth: depth + 1))
        }
    }

    private mutating func readBool(_ key: String) throws(TesseraError) -> Bool {
        let byte: UInt8 = try cursor.number(key)
        guard byte <= 1 else { throw cursor.corrupt("\(key) is a truth value of \(byte)") }
        return byte == 1
    }

    private mutating func readArray(of key: String, depth: Int) throws(TesseraError) -> [GGUFValue] {
        guard depth <= Self.deepestNesting else {
            throw cursor.corrupt("\(key) nests lists deeper than \(Self.deepestNesting)")
        }
        let kind = try readKind("the element type of \(key)")
        let stated: UInt64 = try cursor.number("the length of \(key)")
        let count = try cursor.plausible(stated, eachAtLeast: kind.leastByteCount, "elements of \(key)")
        elementCount += count
        guard elementCount <= Self.mostElements else {
            throw cursor.corrupt("its metadata has more than \(Self.mostElements) list elements")
        }
        var values: [GGUFValue] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try readValue(kind, of: key, depth: depth)) }
        return values
    }

    // MARK: Tensors

    private mutating func readTensors(_ stated: UInt64) throws(TesseraError) {
        let count = try cursor.plausible(stated, eachAtLeast: 32, "tensors")
        var names: Set<String> = []
        var found: [(tensor: GGUFTensor, offset: UInt64)] = []
        for index in 0..<count {
            let description = try readTensor(index)
            guard names.insert(description.tensor.name).inserted else {
                throw cursor.corrupt("the tensor \(description.tensor.name) is there twice")
            }
            found.append(description)
        }
        guard count > 0 else { return }
        let alignment = try readAlignment()
        let start = (cursor.offset + alignment - 1) / alignment * alignment
        for (tensor, offset) in found {
            tensors.append(try place(tensor, offset, after: start, alignment))
        }
        try refuseOverlaps()
    }

    /// Reads one description; its byte range begins at 0 until it is placed.
    private mutating func readTensor(_ index: Int) throws(TesseraError) -> (tensor: GGUFTensor, offset: UInt64) {
        let name = try cursor.string("the name of tensor \(index)")
        let rank: UInt32 = try cursor.number("the rank of tensor \(name)")
        guard (1...4).contains(rank) else { throw cursor.corrupt("tensor \(name) has \(rank) dimensions, not 1 to 4") }
        var shape: [Int] = []
        for _ in 0..<rank {
            let extent: UInt64 = try cursor.number("the shape of tensor \(name)")
            guard let extent = Int(exactly: extent), extent > 0 else {
                throw cursor.corrupt("tensor \(name) has an extent of \(extent)")
            }
            shape.append(extent)
        }
        let code: UInt32 = try cursor.number("the type of tensor \(name)")
        guard let type = GGUFTensorType(code: code) else {
            throw TesseraError(
                .unsupported, "\(cursor.path): tensor \(name) is of type \(code), which this version does not know")
        }
        guard let byteCount = type.byteCount(shape: shape) else {
            throw cursor.corrupt(
                "tensor \(name) of shape \(shape) does not divide into \(type) blocks of \(type.blockLength)")
        }
        let offset: UInt64 = try cursor.number("the offset of tensor \(name)")
        return (GGUFTensor(name: name, type: type, shape: shape, byteRange: 0..<byteCount), offset)
    }

    private func readAlignment() throws(TesseraError) -> Int {
        guard let value = metadata["general.alignment"] else { return 32 }
        guard let alignment = value.integer, alignment >= 8, alignment <= 1 << 30, alignment & (alignment - 1) == 0
        else { throw cursor.corrupt("general.alignment is not a power of two of at least 8") }
        return alignment
    }

    private func place(
        _ tensor: GGUFTensor, _ offset: UInt64, after start: Int, _ alignment: Int
    ) throws(TesseraError) -> GGUFTensor {
        guard offset % UInt64(alignment) == 0 else {
            throw cursor.corrupt("tensor \(tensor.name) at \(offset) is not aligned to \(alignment) bytes")
        }
        let size = cursor.bytes.count
        guard let offset = Int(exactly: offset), offset <= size, tensor.byteRange.count <= size,
            start + offset + tensor.byteRange.count <= size
        else {
            let end = Double(start) + Double(offset) + Double(tensor.byteRange.count)
            let shown = end < 0x1p53 ? "\(Int(end))" : "\(end)"
            throw cursor.corrupt("truncated: tensor \(tensor.name) ends at \(shown), but the file has \(size) bytes")
        }
        let first = start + offset
        return GGUFTensor(
            name: tensor.name, type: tensor.type, shape: tensor.shape,
            byteRange: first..<first + tensor.byteRange.count)
    }

    private func refuseOverlaps() throws(TesseraError) {
        let ordered = tensors.sorted { $0.byteRange.lowerBound < $1.byteRange.lowerBound }
        for (first, second) in zip(ordered, ordered.dropFirst())
        where first.byteRange.upperBound > second.byteRange.lowerBound {
            throw cursor.corrupt("tensors \(first.name) and \(second.name) overlap")
        }
    }
}

/// Reads numbers and texts from the front of a GGUF file and knows what is left of it.
struct GGUFCursor {
    let bytes: UnsafeRawBufferPointer
    let path: String
    var offset = 0

    private var left: Int { bytes.count - offset }

    func corrupt(_ complaint: String) -> TesseraError {
        TesseraError(.corrupt, "\(path) is damaged: \(complaint)")
    }

    private func truncated(_ what: String) -> TesseraError {
        corrupt("truncated: it ends at \(bytes.count) bytes, within \(what)")
    }

    /// A count that the rest of the file has room for.
    func plausible(_ count: UInt64, eachAtLeast size: Int, _ what: String) throws(TesseraError) -> Int {
        guard count <= UInt64(left / size) else {
            throw corrupt("\(count) \(what) are announced, but the file has only \(left) bytes left")
        }
        return Int(count)
    }

    mutating func number<N: FixedWidthInteger & BitwiseCopyable>(_ what: String) throws(TesseraError) -> N {
        let size = MemoryLayout<N>.size
        guard left >= size else { throw truncated(what) }
        defer { offset += size }
        return N(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: N.self))
    }

    mutating func string(_ what: String) throws(TesseraError) -> String {
        let stated: UInt64 = try number(what)
        let count = try plausible(stated, eachAtLeast: 1, "bytes of \(what)")
        let slice = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
        guard let text = String(validating: slice, as: UTF8.self) else { throw corrupt("\(what) is not UTF-8") }
        offset += count
        return text
    }
}
