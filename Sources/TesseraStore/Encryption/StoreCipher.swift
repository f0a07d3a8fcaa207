// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import Foundation
internal import TesseraKV

/// Seals what a store keeps: AES-256-GCM (NIST SP 800-38D) with a key that is the store's own, derived from the key file
/// with HKDF-SHA-256 (RFC 5869), and a fresh random nonce for every sealing.
///
/// A sealed value is nonce (12), ciphertext, tag (16). What it is of, the record's key in the database or a chunk's key and
/// layer, is authenticated with it, so that nothing passes in another's place. Random nonces of 96 bits are safe for 2³²
/// sealings under one key: over a hundred million chunks of 32 layers.
struct StoreCipher: Sendable {
    /// Bytes that sealing adds.
    static let overhead = 28

    private let key: SymmetricKey

    /// - Parameter salt: The store's own.
    init(_ key: EncryptionKey, salt: [UInt8]) {
        self.key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key.secret, salt: salt, info: Data("tessera store 1".utf8), outputByteCount: 32)
    }

    func sealed(_ bytes: UnsafeRawBufferPointer, of name: [UInt8]) throws(TesseraError) -> [UInt8] {
        do {
            let box = try AES.GCM.seal(bytes, using: key, authenticating: name)
            guard let combined = box.combined else { throw CryptoKitError.incorrectParameterSize }
            return [UInt8](combined)
        } catch {
            throw TesseraError(.io, "couldn't encrypt: \(error)")
        }
    }

    /// The bytes that were sealed; nil when they weren't, under this key and for this name.
    func opened(_ bytes: UnsafeRawBufferPointer, of name: [UInt8]) -> [UInt8]? {
        open(bytes, of: name).map { [UInt8]($0) }
    }

    /// Opens a sealed value where it lies, behind the nonce.
    ///
    /// - Returns: Whether it is authentic; if not, nothing has changed.
    func open(inPlace bytes: UnsafeMutableRawBufferPointer, of name: [UInt8]) -> Bool {
        guard let plain = open(UnsafeRawBufferPointer(bytes), of: name) else { return false }
        plain.withUnsafeBytes { plain in
            UnsafeMutableRawBufferPointer(rebasing: bytes[Self.nonceBytes..<Self.nonceBytes + plain.count])
                .copyMemory(from: plain)
        }
        return true
    }

    /// Where the bytes lie in a place that held them sealed.
    static func inside(_ sealed: Range<Int>) -> Range<Int> {
        let start = min(sealed.upperBound, sealed.lowerBound + nonceBytes)
        return start..<max(start, sealed.upperBound - tagBytes)
    }

    private static let nonceBytes = 12
    private static let tagBytes = 16

    private func open(_ bytes: UnsafeRawBufferPointer, of name: [UInt8]) -> Data? {
        guard bytes.count >= Self.overhead, let nonce = try? AES.GCM.Nonce(data: bytes.prefix(Self.nonceBytes)),
            let box = try? AES.GCM.SealedBox(
                nonce: nonce, ciphertext: bytes.dropFirst(Self.nonceBytes).dropLast(Self.tagBytes),
                tag: bytes.suffix(Self.tagBytes))
        else { return nil }
        return try? AES.GCM.open(box, using: key, authenticating: name)
    }
}

extension StoreCipher {
    /// The name that a layer is sealed for.
    static func name(of layer: Int, _ key: ChunkKey) -> [UInt8] {
        [UInt8(ascii: "l")] + key.digest.bytes + withUnsafeBytes(of: UInt32(layer).bigEndian) { [UInt8]($0) }
    }
}

/// The record that makes a store an encrypted one, in the clear: the salt of its key, and a proof that a key is the right
/// one.
struct EncryptionRecord: Equatable {
    let salt: [UInt8]
    let proof: [UInt8]

    private static let version: UInt16 = 1
    private static let proofName = Array("proof".utf8)
    private static let saltBytes = 32

    /// A new store's.
    init(for key: EncryptionKey) throws(TesseraError) {
        var numbers = SystemRandomNumberGenerator()
        salt = (0..<Self.saltBytes).map { _ in .random(in: .min ... .max, using: &numbers) }
        let cipher = StoreCipher(key, salt: salt)
        proof = try cipher.sealed(UnsafeRawBufferPointer(start: nil, count: 0), of: Self.proofName)
    }

    init(_ bytes: UnsafeRawBufferPointer) throws(TesseraError) {
        var reader = try ByteReader(sealed: bytes, name: "the store's encryption record")
        guard try reader.number(UInt16.self) == Self.version else { throw StoreState.newer }
        salt = try reader.bytes()
        proof = try reader.bytes()
        try reader.finish()
        guard salt.count == Self.saltBytes else { throw reader.damaged("salt") }
    }

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.add(Self.version)
        writer.add(salt)
        writer.add(proof)
        return writer.sealed()
    }

    /// The cipher of a key, if it is the one that the store was made with.
    func cipher(_ key: EncryptionKey) -> StoreCipher? {
        let cipher = StoreCipher(key, salt: salt)
        return proof.withUnsafeBytes { cipher.opened($0, of: Self.proofName) } == nil ? nil : cipher
    }
}
