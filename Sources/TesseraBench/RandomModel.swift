// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import TesseraKV
public import TesseraRuntime

/// Makes model files of a given shape with random weights: as good as a real one for measuring time, and nothing to
/// download.
public struct RandomModel: Sendable {
    /// The number of layers.
    public var layers: Int
    /// The width of the residual stream.
    public var width: Int
    /// The number of query heads.
    public var queryHeads: Int
    /// The number of KV heads.
    public var heads: Int
    /// The width of the feed-forward network.
    public var feedForward: Int
    /// The number of tokens.
    public var vocabulary: Int
    /// The longest prompt with its answer.
    public var contextLength: Int
    /// How the weights are written: BF16 or Q8_0.
    public var type = GGUFTensorType.bf16

    /// Llama-3.2-1B's shape, output tied to the embeddings: 1.24 billion parameters, 2.5 GB in BF16.
    public static let llama1B = RandomModel(
        layers: 16, width: 2048, queryHeads: 32, heads: 8, feedForward: 8192, vocabulary: 128_256,
        contextLength: 131_072)

    /// Writes the file, unless it is there.
    ///
    /// - Parameter path: Where the file goes; it appears whole or not at all.
    /// - Throws: ``TesseraError`` when it can't be written.
    public func write(to path: String) throws(TesseraError) {
        if FileManager.default.fileExists(atPath: path) { return }
        try GGUFWriter.write(to: path, metadata: metadata, tensors: tensors)
    }

    /// Blocks of a scale of 2⁻¹² and 32 bytes.
    private static func fill(blocks: UnsafeMutableRawBufferPointer, _ generator: inout SplitMix64) {
        for start in stride(from: 0, to: blocks.count, by: GGUFTensorType.q8_0.blockBytes) {
            blocks.storeBytes(of: UInt16(0x0C00), toByteOffset: start, as: UInt16.self)
            for word in 0..<4 {
                blocks.storeBytes(of: generator.next(), toByteOffset: start + 2 + 8 * word, as: UInt64.self)
            }
        }
    }

    /// Four BF16 numbers at a time, of both signs and magnitudes 2⁻⁷ … 2⁻⁵: no zeros, nothing that overflows.
    private static func fill(_ words: UnsafeMutableBufferPointer<UInt64>, _ generator: inout SplitMix64) {
        let exponents: UInt64 = 0x3C00_3C00_3C00_3C00
        for index in words.indices {
            words[index] = (generator.next() & 0x80FF_80FF_80FF_80FF) | exponents
        }
    }

    private var metadata: [String: GGUFValue] {
        [
            "general.architecture": .string("llama"),
            "general.name": .string("random weights"),
            "llama.block_count": .uint32(UInt32(layers)),
            "llama.context_length": .uint32(UInt32(contextLength)),
            "llama.embedding_length": .uint32(UInt32(width)),
            "llama.feed_forward_length": .uint32(UInt32(feedForward)),
            "llama.attention.head_count": .uint32(UInt32(queryHeads)),
            "llama.attention.head_count_kv": .uint32(UInt32(heads)),
            "llama.attention.layer_norm_rms_epsilon": .float32(1e-5),
            "llama.rope.freq_base": .float32(500_000),
            "llama.rope.dimension_count": .uint32(UInt32(width / queryHeads)),
            "llama.vocab_size": .uint32(UInt32(vocabulary)),
            "tokenizer.ggml.model": .string("gpt2"),
            "tokenizer.ggml.pre": .string("gpt-2"),
            "tokenizer.ggml.tokens": .array(tokens.map { .string($0) }),
            "tokenizer.ggml.merges": .array([.string("t t")]),
            "tokenizer.ggml.bos_token_id": .uint32(0),
            "tokenizer.ggml.eos_token_id": .uint32(1),
            "tokenizer.ggml.add_bos_token": .bool(true),
        ]
    }

    /// Two special tokens, the bytes, the one merge (other readers refuse an empty list), and names that stand for
    /// nothing.
    private var tokens: [String] {
        let known = ["<s>", "</s>"] + ByteLevelAlphabet.characters.map { String(Character($0)) } + ["tt"]
        return known + (known.count..<vocabulary).map { "<t\($0)>" }
    }

    private var tensors: [GGUFWriter.Tensor] {
        let keyWidth = width / queryHeads * heads
        let perLayer: [(String, [Int])] = [
            ("attn_q", [width, width]), ("attn_k", [width, keyWidth]), ("attn_v", [width, keyWidth]),
            ("attn_output", [width, width]), ("ffn_gate", [width, feedForward]), ("ffn_up", [width, feedForward]),
            ("ffn_down", [feedForward, width]),
        ]
        let blocks = (0..<layers).flatMap { layer in
            [norm("blk.\(layer).attn_norm"), norm("blk.\(layer).ffn_norm")]
                + perLayer.map { matrix("blk.\(layer).\($0.0)", $0.1) }
        }
        return [matrix("token_embd", [width, vocabulary])] + blocks + [norm("output_norm")]
    }

    private func norm(_ name: String) -> GGUFWriter.Tensor {
        GGUFWriter.Tensor(name: name + ".weight", type: .f32, shape: [width]) { piece, _ in
            piece.bindMemory(to: Float.self).update(repeating: 1)
        }
    }

    private func matrix(_ name: String, _ shape: [Int]) -> GGUFWriter.Tensor {
        GGUFWriter.Tensor(name: name + ".weight", type: type, shape: shape) { [type] piece, offset in
            var generator = SplitMix64(seed: UInt64(offset) &+ 1)
            if type == .q8_0 {
                Self.fill(blocks: piece, &generator)
            } else {
                Self.fill(piece.bindMemory(to: UInt64.self), &generator)
            }
        }
    }
}
