// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// How an asset's bytes are stored: as they are, then their checksum, good under this name alone.
enum Asset {
    static func encoded(_ bytes: [UInt8], name: String) -> [UInt8] {
        ByteWriter(bytes).sealed(seed: seed(name))
    }

    static func decoded(_ sealed: UnsafeRawBufferPointer, name: String) throws(TesseraError) -> [UInt8] {
        var reader = try ByteReader(sealed: sealed, name: "an asset", seed: seed(name))
        return reader.remainder()
    }

    private static func seed(_ name: String) -> UInt64 {
        Array(name.utf8).withUnsafeBytes { checksum($0) }
    }
}
