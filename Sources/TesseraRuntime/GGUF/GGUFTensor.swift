// SPDX-License-Identifier: Apache-2.0

/// One tensor of a GGUF file: where it lies and how its numbers are written.
public struct GGUFTensor: Sendable, Hashable {
    /// The name, as `blk.0.attn_q.weight`.
    public let name: String
    /// How the numbers are written.
    public let type: GGUFTensorType
    /// The extents, the fastest index first: the rows of a matrix are `shape[1]`, each of `shape[0]` numbers.
    public let shape: [Int]
    /// Where its bytes lie in the file.
    public let byteRange: Range<Int>

    /// How many numbers it holds.
    public var count: Int { shape.reduce(1, *) }
}

/// How a tensor's numbers are written: in blocks of some numbers that share some bytes.
public struct GGUFTensorType: Sendable, Hashable, CustomStringConvertible {
    /// The code in the file.
    public let code: UInt32
    /// Numbers in a block; the fastest extent is a multiple of it.
    public let blockLength: Int
    /// Bytes of a block.
    public let blockBytes: Int
    /// The format's own name, as `Q8_0`.
    public let description: String

    private init(_ code: UInt32, _ name: String, _ blockLength: Int, _ blockBytes: Int) {
        self.code = code
        self.blockLength = blockLength
        self.blockBytes = blockBytes
        description = name
    }

    /// The type of a code; nil for codes that the format's description of 2026 does not name.
    init?(code: UInt32) {
        guard let known = Self.byCode[code] else { return nil }
        self = known
    }

    /// IEEE 754 numbers of 32 bits.
    public static let f32 = GGUFTensorType(0, "F32", 1, 4)
    /// IEEE 754 numbers of 16 bits.
    public static let f16 = GGUFTensorType(1, "F16", 1, 2)
    // swift-format-ignore: AlwaysUseLowerCamelCase
    /// Blocks of 32 signed bytes behind an fp16 scale.
    public static let q8_0 = GGUFTensorType(8, "Q8_0", 32, 34)
    /// The upper halves of 32-bit numbers.
    public static let bf16 = GGUFTensorType(30, "BF16", 1, 2)

    /// All types, also those that Tessera can't compute with, so that an error can name them. Block layouts as in
    /// ggml's `ggml-common.h`.
    private static let byCode: [UInt32: GGUFTensorType] = {
        let all = [
            f32, f16, q8_0, bf16,
            GGUFTensorType(2, "Q4_0", 32, 18), GGUFTensorType(3, "Q4_1", 32, 20),
            GGUFTensorType(6, "Q5_0", 32, 22), GGUFTensorType(7, "Q5_1", 32, 24),
            GGUFTensorType(9, "Q8_1", 32, 36), GGUFTensorType(10, "Q2_K", 256, 84),
            GGUFTensorType(11, "Q3_K", 256, 110), GGUFTensorType(12, "Q4_K", 256, 144),
            GGUFTensorType(13, "Q5_K", 256, 176), GGUFTensorType(14, "Q6_K", 256, 210),
            GGUFTensorType(15, "Q8_K", 256, 292), GGUFTensorType(16, "IQ2_XXS", 256, 66),
            GGUFTensorType(17, "IQ2_XS", 256, 74), GGUFTensorType(18, "IQ3_XXS", 256, 98),
            GGUFTensorType(19, "IQ1_S", 256, 50), GGUFTensorType(20, "IQ4_NL", 32, 18),
            GGUFTensorType(21, "IQ3_S", 256, 110), GGUFTensorType(22, "IQ2_S", 256, 82),
            GGUFTensorType(23, "IQ4_XS", 256, 136), GGUFTensorType(24, "I8", 1, 1),
            GGUFTensorType(25, "I16", 1, 2), GGUFTensorType(26, "I32", 1, 4),
            GGUFTensorType(27, "I64", 1, 8), GGUFTensorType(28, "F64", 1, 8),
            GGUFTensorType(29, "IQ1_M", 256, 56), GGUFTensorType(34, "TQ1_0", 256, 54),
            GGUFTensorType(35, "TQ2_0", 256, 66), GGUFTensorType(39, "MXFP4", 32, 17),
            GGUFTensorType(40, "NVFP4", 64, 36), GGUFTensorType(41, "Q1_0", 128, 18),
        ]
        return Dictionary(uniqueKeysWithValues: all.map { ($0.code, $0) })
    }()

    /// The bytes of a tensor of this shape; nil where the shape doesn't divide into blocks or the count overflows.
    func byteCount(shape: [Int]) -> Int? {
        guard let row = shape.first, row % blockLength == 0 else { return nil }
        var total = row / blockLength
        for factor in shape.dropFirst() + [blockBytes] {
            let (product, overflow) = total.multipliedReportingOverflow(by: factor)
            guard !overflow else { return nil }
            total = product
        }
        return total
    }
}
