// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import Foundation
package import TesseraKV

/// The secret that a store is encrypted with: 256 bits out of a file.
package struct EncryptionKey: Sendable {
    let secret: SymmetricKey

    /// Takes a secret as it is.
    ///
    /// - Parameter bytes: 32 bytes.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        secret = SymmetricKey(data: bytes)
    }

    /// Reads a key file: 32 bytes, or their 64 hexadecimal digits or base64 on one line.
    ///
    /// - Throws: `invalidInput` for anything else, `io` for a file that can't be read.
    package init(file path: String) throws(TesseraError) {
        let data: Data
        do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
            throw TesseraError(.io, "couldn't read the key file \(path): \(error.localizedDescription)")
        }
        guard let bytes = Self.secret(in: data), let key = EncryptionKey(bytes) else {
            throw TesseraError(
                .invalidInput,
                "\(path) is no key file: it holds 32 random bytes, or their 64 hexadecimal digits or base64; "
                    + "`openssl rand -hex 32` makes one")
        }
        self = key
    }

    private static func secret(in data: Data) -> [UInt8]? {
        if data.count == 32 { return [UInt8](data) }
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        if text.utf8.count == 64, let bytes = [UInt8](hexadecimal: text) { return bytes }
        return Data(base64Encoded: text).map { [UInt8]($0) }
    }
}
