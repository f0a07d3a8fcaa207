// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV
internal import TesseraReuse

/// Cache-Craft's statistics as the bytes that the store keeps beside a variant.
///
/// Little-endian: version (16 bits), neighbours and own tokens (32 bits each), the neighbours' tokens (32 bits each),
/// inter and intra (64-bit floats), one score and one peak per own token (32-bit floats).
extension ChunkStatistics {
    private static let version: UInt16 = 1

    /// The statistics as bytes.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        func add<T: FixedWidthInteger>(_ number: T) {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
        add(Self.version)
        add(UInt32(neighbourTokens.count))
        add(UInt32(scores.count))
        for count in neighbourTokens { add(UInt32(count)) }
        for sum in inter + [intra] { add(sum.bitPattern) }
        for score in scores + peaks { add(score.bitPattern) }
        return bytes
    }

    /// Reads statistics; nil for bytes that ``encoded`` would not have written.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 10 else { return nil }
        let read: (neighbours: [Int], sums: [Double], scores: [Float])? = bytes.withUnsafeBytes { raw in
            guard UInt16(littleEndian: raw.loadUnaligned(as: UInt16.self)) == Self.version else { return nil }
            let neighbours = Int(UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 2, as: UInt32.self)))
            let tokens = Int(UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 6, as: UInt32.self)))
            guard bytes.count == 10 + 4 * neighbours + 8 * (neighbours + 1) + 8 * tokens else { return nil }
            let (sums, scores) = (10 + 4 * neighbours, 10 + 4 * neighbours + 8 * (neighbours + 1))
            return (
                (0..<neighbours).map {
                    Int(UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 10 + 4 * $0, as: UInt32.self)))
                },
                (0...neighbours).map {
                    let bits = raw.loadUnaligned(fromByteOffset: sums + 8 * $0, as: UInt64.self)
                    return Double(bitPattern: UInt64(littleEndian: bits))
                },
                (0..<2 * tokens).map {
                    let bits = raw.loadUnaligned(fromByteOffset: scores + 4 * $0, as: UInt32.self)
                    return Float(bitPattern: UInt32(littleEndian: bits))
                }
            )
        }
        guard let read, let intra = read.sums.last, read.sums.allSatisfy({ $0.isFinite && $0 >= 0 }) else { return nil }
        let tokens = read.scores.count / 2
        self.init(
            neighbourTokens: read.neighbours, inter: read.sums.dropLast(), intra: intra,
            scores: Array(read.scores.prefix(tokens)), peaks: Array(read.scores.suffix(tokens)))
    }
}
