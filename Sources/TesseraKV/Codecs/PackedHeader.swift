// SPDX-License-Identifier: Apache-2.0

/// The first 16 bytes of a record of ``K8V4Codec``, ``Q4Codec``, ``ZipCacheCodec`` or ``LowRankCodec``.
///
/// | bytes | field |
/// |---|---|
/// | 1 | version of the codec's format, 1 |
/// | 3 | zeros |
/// | 4, 4, 4 | fields of the codec, zeros where it has none; little-endian |
///
/// A record of no tokens is empty and has no header.
struct PackedHeader: Equatable {
    static let byteCount = 16
    static let version: UInt8 = 1

    var fields: [UInt32]

    init(_ first: UInt32 = 0, _ second: UInt32 = 0, _ third: UInt32 = 0) {
        fields = [first, second, third]
    }

    /// Reads the header of a record that is not empty.
    ///
    /// - Throws: ``TesseraError`` of code `unsupported` when a newer build made the record, and of code `corrupt` when
    ///   none did.
    init(_ record: UnsafeRawBufferPointer, tokens: Int, codec: String) throws(TesseraError) {
        guard record.count >= Self.byteCount, record[0] > 0 else {
            throw .misfit(record.count, tokens: tokens, codec: codec)
        }
        guard record[0] <= Self.version else {
            throw .newer(record[0], than: Self.version, codec: codec)
        }
        guard record[1..<4].allSatisfy({ $0 == 0 }) else {
            throw .misfit(record.count, tokens: tokens, codec: codec)
        }
        fields = stride(from: 4, to: 16, by: 4).map {
            UInt32(littleEndian: record.loadUnaligned(fromByteOffset: $0, as: UInt32.self))
        }
    }

    /// Whether a record is that of no tokens, which is empty.
    ///
    /// - Throws: ``TesseraError`` of code `corrupt` when one of the two is empty and the other is not.
    static func isEmpty(
        _ record: UnsafeRawBufferPointer, tokens: Int, codec: String
    ) throws(TesseraError) -> Bool {
        guard record.isEmpty == (tokens == 0) else { throw .misfit(record.count, tokens: tokens, codec: codec) }
        return tokens == 0
    }

    func write(to record: UnsafeMutableRawBufferPointer) {
        record[0] = Self.version
        for (index, field) in fields.enumerated() {
            record.storeBytes(of: field.littleEndian, toByteOffset: 4 + 4 * index, as: UInt32.self)
        }
    }
}
