// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// A file that holds a secret.
enum SecretFile {
    /// Reads a secret: one line without spaces, of at least 16 characters.
    ///
    /// The file is its owner's alone. One that root has given to a group to read is taken too: that is how Kubernetes
    /// mounts secrets.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - what: What it holds, for messages.
    /// - Throws: ``TesseraError``: `notFound` for a file that can't be read, `invalidInput` for one that others can read or
    ///   that holds no secret.
    static func text(_ path: String, _ what: String) throws(TesseraError) -> String {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        guard let mode = (attributes?[.posixPermissions] as? NSNumber)?.intValue else {
            throw TesseraError(.notFound, "the \(what) file \(path) is not there")
        }
        let isRoots = (attributes?[.ownerAccountID] as? NSNumber)?.intValue == 0
        guard mode & (isRoots ? 0o037 : 0o077) == 0 else {
            throw TesseraError(.invalidInput, "others can read the \(what) file \(path); give it the mode 0600")
        }
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw TesseraError(.notFound, "the \(what) file \(path) can't be read as text")
        }
        let secret = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard secret.utf8.count >= 16, !secret.contains(where: \.isWhitespace) else {
            throw TesseraError(
                .invalidInput,
                "the \(what) file \(path) holds no \(what): one line of at least 16 characters without spaces")
        }
        return secret
    }
}
