// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import CZstd

/// Parts 16-bit numbers into planes and compresses those.
final class PlanePacker {
    private let context: OpaquePointer
    private var low: [UInt8]
    private var high: [UInt8]
    private var packed: [UInt8]

    /// Makes a packer of so many numbers at once, at most.
    init(capacity: Int) throws(TesseraError) {
        guard let context = ZSTD_createCCtx() else { throw .noMemoryToPack }
        self.context = context
        low = Array(repeating: 0, count: capacity)
        high = low
        packed = low
        // Matches of bytes are chance here, and each costs the decoder more than it saves. The longest least match and
        // the smallest table of matches leave Huffman's code nearly alone: on normal numbers in bf16 the planes of high
        // bytes are a tenth smaller than by plain level 1, and decompress twice as fast.
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1)
        ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, 7)
        ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, 6)
    }

    deinit {
        ZSTD_freeCCtx(context)
    }

    /// Appends the planes of `count` numbers.
    ///
    /// - Returns: The sizes of the two.
    func pack(_ halves: UnsafePointer<UInt8>, count: Int, into planes: inout [UInt8]) -> [Int] {
        ck_split_planes(&low, &high, halves, count)
        return [append(low, count, to: &planes), append(high, count, to: &planes)]
    }

    private func append(_ plane: [UInt8], _ count: Int, to planes: inout [UInt8]) -> Int {
        // What saves less than a thirty-second is not worth its decompression.
        let size = ZSTD_compress2(context, &packed, count - count / 32, plane, count)
        guard ZSTD_isError(size) == 0, size < count else {
            planes += plane[..<count]
            return count
        }
        planes += packed[..<size]
        return size
    }
}

extension TesseraError {
    static var noMemoryToPack: TesseraError { TesseraError(.full, "no memory for Zstandard's tables") }
}
