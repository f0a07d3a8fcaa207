// SPDX-License-Identifier: Apache-2.0

internal import CRocksDB
internal import Foundation
internal import TesseraKV

/// Every call of RocksDB that can fail goes through here: its error text becomes a ``TesseraError``.
///
/// - Parameters:
///   - path: The database's folder, for the message.
///   - doing: What failed, as the end of "couldn't …".
///   - call: The call, handed the place where RocksDB leaves its error.
func checked<Result>(
    _ path: String, _ doing: String, _ call: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) throws(TesseraError) -> Result {
    var text: UnsafeMutablePointer<CChar>?
    let result = call(&text)
    guard let text else { return result }
    defer { rocksdb_free(text) }
    throw rocksError(String(cString: text), path, doing)
}

private func rocksError(_ text: String, _ path: String, _ doing: String) -> TesseraError {
    let what = "couldn't \(doing) in \(path): \(text)"
    if text.contains(String(cString: strerror(ENOSPC))) || text.contains("Space limit") {
        return TesseraError(.full, "\(what). Free some disk space or remove chunks, then open the store again.")
    }
    if text.contains("While lock file") || text.contains("lock hold by current process") {
        return TesseraError(.locked, "\(what). Another process holds the store; end it first.")
    }
    let isDamage = ["does not exist", "larger than file length", "No such file"].contains { text.contains($0) }
    if text.hasPrefix("Corruption") || isDamage {
        return TesseraError(
            .corrupt, "\(what). The store's files are damaged: `tessera store repair` keeps what is sound.")
    }
    return TesseraError(.io, what)
}

/// Calls `body` with texts as C strings that live as long as the call.
func withCharacters<Result>(
    of texts: [String], _ body: ([UnsafePointer<CChar>?]) throws(TesseraError) -> Result
) throws(TesseraError) -> Result {
    let copies = texts.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    return try body(copies.map { UnsafePointer($0) })
}

extension UnsafeRawBufferPointer {
    /// The same bytes as RocksDB's interface takes them.
    var characters: UnsafePointer<CChar>? { baseAddress?.assumingMemoryBound(to: CChar.self) }
}

extension [UInt8] {
    /// Calls `body` with the bytes as RocksDB's interface takes them.
    func withCharacters<Result>(_ body: (UnsafePointer<CChar>?, Int) -> Result) -> Result {
        withUnsafeBytes { body($0.characters, $0.count) }
    }
}
