// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Fills the sections of a record of ``ZipCacheCodec``.
enum ZipCacheEncoder {
    /// Rounds the keys of the tokens of one kind, each channel between its least and its largest number.
    static func putKeys(
        _ keys: UnsafePointer<Float>, rows: [Int], width: Int, _ kind: ZipCacheSections.Kind,
        _ start: UnsafeMutableRawPointer
    ) {
        guard let first = rows.first else { return }
        var least = Array(UnsafeBufferPointer(start: keys + first * width, count: width))
        var largest = least
        for row in rows {
            for column in 0..<width {
                least[column] = min(least[column], keys[row * width + column])
                largest[column] = max(largest[column], keys[row * width + column])
            }
        }
        let bits = UInt32(kind.rows.bits)
        let (scales, leasts) = (start.halves(kind.scales), start.halves(kind.leasts))
        for column in 0..<width {
            ck_affine_reaching(least[column], largest[column], bits, scales + column, leasts + column)
        }
        let known = (UnsafeRawPointer(scales).floats(width), UnsafeRawPointer(leasts).floats(width))
        for (index, row) in rows.enumerated() {
            ck_affine_from_f32(
                start.bytes(kind.keys + index * kind.rows.byteCount), bits, keys + row * width, width, known.0, known.1,
                1)
        }
    }

    /// Rounds the values of all tokens.
    ///
    /// - Parameter rows: The tokens of each kind.
    static func putValues(
        _ values: UnsafePointer<Float>, rows: [[Int]], _ parts: ZipCacheSections, _ start: UnsafeMutableRawPointer
    ) {
        let width = parts.kinds[0].rows.width
        let channels = start.halves(parts.channels)
        var largest = [Float](repeating: 0, count: width)
        for row in 0..<parts.tokens {
            for column in 0..<width { largest[column] = max(largest[column], abs(values[row * width + column])) }
        }
        _ = HalfFormat.fp16.narrow(largest.map { $0.squareRoot() }, to: channels)
        let divisors = UnsafeRawPointer(channels).floats(width)
        for (kind, rows) in zip(parts.kinds, rows) {
            for (index, row) in rows.enumerated() {
                // A channel whose root is 0 in fp16 holds next to nothing.
                let alike = (0..<width).map { divisors[$0] > 0 ? values[row * width + $0] / divisors[$0] : 0 }
                let (scale, least) = (start.halves(parts.rowScales) + row, start.halves(parts.rowLeasts) + row)
                ck_affine_reaching(alike.min() ?? 0, alike.max() ?? 0, UInt32(kind.rows.bits), scale, least)
                ck_affine_from_f32(
                    start.bytes(kind.values + index * kind.rows.byteCount), UInt32(kind.rows.bits), alike, width,
                    [HalfFormat.float(scale.pointee)], [HalfFormat.float(least.pointee)], 0)
            }
        }
    }
}
