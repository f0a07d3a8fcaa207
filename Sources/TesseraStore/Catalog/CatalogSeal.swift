// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import TesseraKV

/// What the catalog's file looked like when the store was closed: SQLite keeps no checksums of its own.
struct CatalogSeal {
    private let byteCount: UInt64
    private let digest: UInt64

    init(of path: String) throws(TesseraError) {
        let data: Data
        do { data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) } catch {
            throw TesseraError(.io, "couldn't read the catalog \(path): \(error.localizedDescription)")
        }
        byteCount = UInt64(data.count)
        digest = data.withUnsafeBytes { checksum($0) }
    }

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.add(byteCount)
        writer.add(digest)
        return writer.sealed()
    }
}
