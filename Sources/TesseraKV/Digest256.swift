// SPDX-License-Identifier: Apache-2.0

internal import Crypto
public import Foundation

/// A 256-bit SHA-2 digest.
public struct Digest256: Sendable, Hashable, CustomStringConvertible {
    /// The 32 bytes, in the order of the standard.
    public let bytes: [UInt8]

    /// Takes 32 bytes that were a digest before; nil for any other count.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        self.bytes = Array(bytes)
    }

    /// The digest of `data`.
    public init(of data: some DataProtocol) {
        self.init(SHA256.hash(data: data))
    }

    fileprivate init(_ hash: SHA256Digest) {
        bytes = Array(hash)
    }

    /// A digest is spread evenly already: eight bytes of it tell as much as all.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
    }

    /// 64 lower-case hexadecimal digits.
    public var description: String { bytes.hexadecimal }
}

/// Computes a ``Digest256`` piece by piece.
///
/// Strings and lists are written behind their length, so that no two different sequences of writes feed the same
/// bytes.
public struct Digester: Sendable {
    private var hash = SHA256()

    /// Starts an empty digest.
    public init() {}

    /// Adds raw bytes, without a length.
    public mutating func add(bytes: UnsafeRawBufferPointer) {
        hash.update(bufferPointer: bytes)
    }

    /// Adds a 64-bit number in little-endian order.
    public mutating func add(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: UInt64(truncatingIfNeeded: value).littleEndian) { hash.update(bufferPointer: $0) }
    }

    /// Adds a text behind its length in UTF-8 bytes.
    public mutating func add(_ text: String) {
        var text = text
        text.withUTF8 {
            add($0.count)
            hash.update(bufferPointer: UnsafeRawBufferPointer($0))
        }
    }

    /// Adds token ids behind their count, each as a 32-bit little-endian number.
    public mutating func add(_ tokens: some Collection<TokenID>) {
        add(tokens.count)
        let littleEndian = tokens.map { $0.littleEndian }
        littleEndian.withUnsafeBytes { hash.update(bufferPointer: $0) }
    }

    /// Adds numbers behind their count, each by its bit pattern.
    public mutating func add(_ values: [Float]) {
        add(values.count)
        for value in values { add(value.bitPattern) }
    }

    /// Adds another digest.
    public mutating func add(_ digest: Digest256) {
        digest.bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
    }

    /// The digest of everything added so far; more may be added afterwards.
    public func digest() -> Digest256 {
        Digest256(hash.finalize())
    }
}
