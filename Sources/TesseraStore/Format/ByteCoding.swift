// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Writes a record's fields one behind the other, numbers in little-endian order, a checksum at the end.
struct ByteWriter {
    private(set) var bytes: [UInt8]

    /// Starts with bytes that are there already.
    init(_ bytes: [UInt8] = []) {
        self.bytes = bytes
    }

    mutating func add(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func add(_ digest: Digest256) {
        bytes.append(contentsOf: digest.bytes)
    }

    /// Adds a text of at most 65,535 bytes behind its length; the caller has checked that.
    mutating func add(_ text: String) {
        add(UInt16(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func add(_ tokens: [TokenID]) {
        add(UInt32(tokens.count))
        for token in tokens { add(token) }
    }

    /// Adds bytes behind their 32-bit count.
    mutating func add(_ opaque: [UInt8]) {
        add(UInt32(opaque.count))
        bytes.append(contentsOf: opaque)
    }

    /// Closes the record: all that was written, then its checksum under `seed`.
    func sealed(seed: UInt64 = 0) -> [UInt8] {
        var sealed = self
        sealed.add(bytes.withUnsafeBytes { checksum($0, seed: seed) })
        return sealed.bytes
    }
}

extension [UInt8] {
    /// The array's own `withUnsafeBytes` forgets which error its body throws.
    func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(TesseraError) -> Result
    ) throws(TesseraError) -> Result {
        try withUnsafeBytes { bytes in Swift.Result { () throws(TesseraError) in try body(bytes) } }.get()
    }
}

/// Reads what ``ByteWriter`` wrote and trusts nothing: every length is checked against the bytes that are there.
struct ByteReader {
    private var rest: UnsafeRawBufferPointer
    private let name: String

    /// Starts on a sealed record, its checksum verified.
    ///
    /// - Parameter name: What the record is, for error messages.
    init(sealed bytes: UnsafeRawBufferPointer, name: String, seed: UInt64 = 0) throws(TesseraError) {
        let size = MemoryLayout<UInt64>.size
        guard bytes.count >= size else { throw TesseraError(.corrupt, "\(name) is too short") }
        let body = UnsafeRawBufferPointer(rebasing: bytes.dropLast(size))
        let stored = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: body.count, as: UInt64.self))
        guard stored == checksum(body, seed: seed) else {
            throw TesseraError(.corrupt, "\(name) doesn't match its checksum")
        }
        rest = body
        self.name = name
    }

    mutating func number<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(TesseraError) -> Value {
        Value(littleEndian: try take(MemoryLayout<Value>.size).loadUnaligned(as: Value.self))
    }

    mutating func digest() throws(TesseraError) -> Digest256 {
        guard let digest = Digest256(bytes: try take(32)) else { throw damaged("digest") }
        return digest
    }

    mutating func text() throws(TesseraError) -> String {
        let count = Int(try number(UInt16.self))
        let bytes = try take(count)
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.utf8.elementsEqual(bytes) else { throw damaged("text") }
        return text
    }

    mutating func tokens() throws(TesseraError) -> [TokenID] {
        let count = try self.count(of: MemoryLayout<TokenID>.size)
        let bytes = try take(count * MemoryLayout<TokenID>.size)
        return (0..<count).map { TokenID(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: TokenID.self)) }
    }

    mutating func bytes() throws(TesseraError) -> [UInt8] {
        [UInt8](try take(try count(of: 1)))
    }

    /// Everything that is left.
    mutating func remainder() -> [UInt8] {
        defer { rest = UnsafeRawBufferPointer(rebasing: rest.suffix(0)) }
        return [UInt8](rest)
    }

    /// A 32-bit count of items of at least `size` bytes each, all of which must lie within the record.
    mutating func count(of size: Int) throws(TesseraError) -> Int {
        let count = Int(try number(UInt32.self))
        guard count <= rest.count / size else { throw damaged("count") }
        return count
    }

    /// Ends the reading; anything left over is an error.
    func finish() throws(TesseraError) {
        guard rest.isEmpty else { throw damaged("length") }
    }

    /// The error of a record whose `field` can't be right.
    func damaged(_ field: String) -> TesseraError {
        TesseraError(.corrupt, "\(name) has an impossible \(field)")
    }

    private mutating func take(_ count: Int) throws(TesseraError) -> UnsafeRawBufferPointer {
        guard count <= rest.count else { throw damaged("length") }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count)) }
        return UnsafeRawBufferPointer(rebasing: rest.prefix(count))
    }
}
