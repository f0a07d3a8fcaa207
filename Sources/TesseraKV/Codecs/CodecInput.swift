// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Keys and values that a codec can keep.
struct CodecInput {
    let tokens: Int

    /// Checks that they are whole tokens, finite and within fp16's range.
    ///
    /// - Throws: ``TesseraError`` of code `invalidInput`, naming the first token that is not.
    init(_ keys: [Float], _ values: [Float], _ layout: KVLayout, codec: String) throws(TesseraError) {
        precondition(keys.count == values.count && keys.count % layout.width == 0, "keys and values of whole tokens")
        for numbers in [keys, values] {
            let checked = ck_q8_check(numbers, numbers.count)
            if checked < numbers.count {
                throw .unkeepable(token: checked / layout.width, codec: codec, limit: "65504")
            }
        }
        tokens = keys.count / layout.width
    }
}

extension UnsafeRawPointer {
    /// Some fp16 numbers that follow each other, at any address, as floats.
    func floats(_ count: Int) -> [Float] {
        (0..<count).map {
            HalfFormat.float(UInt16(littleEndian: loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)))
        }
    }
}

extension UnsafeMutableRawPointer {
    /// Room for fp16 numbers.
    func halves(_ offset: Int) -> UnsafeMutablePointer<UInt16> {
        (self + offset).bindMemory(to: UInt16.self, capacity: 1)
    }

    /// Room for bytes.
    func bytes(_ offset: Int) -> UnsafeMutablePointer<UInt8> {
        (self + offset).bindMemory(to: UInt8.self, capacity: 1)
    }
}
