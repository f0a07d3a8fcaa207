// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// A fingerprint as the store remembers it: its digest, and the digest of each field by name.
package struct FingerprintRecord: Sendable, Equatable {
    /// The digest of the whole fingerprint.
    package let digest: Digest256
    /// The fields in canonical order.
    package let fields: [(name: String, digest: Digest256)]

    /// Takes the fields of a fingerprint.
    package init(_ fingerprint: Fingerprint) {
        (digest, fields) = (fingerprint.digest, fingerprint.fields)
    }

    /// The names of the fields in which `fingerprint` differs from this record, in canonical order.
    package func differences(from fingerprint: Fingerprint) -> [String] {
        let known = Dictionary(fields.map { ($0.name, $0.digest) }) { first, _ in first }
        return fingerprint.fields.filter { known[$0.name] != $0.digest }.map(\.name)
    }

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.add(UInt32(fields.count))
        for field in fields {
            writer.add(field.name)
            writer.add(field.digest)
        }
        return writer.sealed()
    }

    init(_ bytes: UnsafeRawBufferPointer, digest: Digest256) throws(TesseraError) {
        var reader = try ByteReader(sealed: bytes, name: "a fingerprint's record")
        self.digest = digest
        var fields: [(name: String, digest: Digest256)] = []
        for _ in 0..<(try reader.count(of: 34)) { fields.append((try reader.text(), try reader.digest())) }
        self.fields = fields
        try reader.finish()
    }

    /// Equal in digest and in every field.
    package static func == (one: FingerprintRecord, other: FingerprintRecord) -> Bool {
        one.digest == other.digest && one.fields.elementsEqual(other.fields, by: ==)
    }
}
