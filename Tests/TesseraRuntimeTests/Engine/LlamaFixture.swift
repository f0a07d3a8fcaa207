// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraRuntime

/// A tiny random llama model file, to be damaged or varied before it is written.
struct LlamaFixture {
    var metadata: [String: GGUFValue] = [
        "general.architecture": .string("llama"),
        "llama.block_count": .uint32(1),
        "llama.embedding_length": .uint32(32),
        "llama.feed_forward_length": .uint32(32),
        "llama.attention.head_count": .uint32(2),
        "llama.attention.head_count_kv": .uint32(1),
        "llama.attention.layer_norm_rms_epsilon": .float32(1e-5),
        "llama.context_length": .uint32(64),
    ]
    var tensors: [String: (type: GGUFTensorType, shape: [Int])] = [
        "token_embd.weight": (.f32, [32, 10]),
        "output_norm.weight": (.f32, [32]),
        "blk.0.attn_norm.weight": (.f32, [32]),
        "blk.0.attn_q.weight": (.f32, [32, 32]),
        "blk.0.attn_k.weight": (.f32, [32, 16]),
        "blk.0.attn_v.weight": (.f32, [32, 16]),
        "blk.0.attn_output.weight": (.f32, [32, 32]),
        "blk.0.ffn_norm.weight": (.f32, [32]),
        "blk.0.ffn_gate.weight": (.f32, [32, 32]),
        "blk.0.ffn_up.weight": (.f32, [32, 32]),
        "blk.0.ffn_down.weight": (.f32, [32, 32]),
    ]
    /// The numbers of F32 tensors that shall not be random.
    var values: [String: [Float]] = [:]

    /// A type that no engine of ours computes with (Q4_0).
    static let foreignType = GGUFTensorType(code: 2) ?? .f16

    /// Writes the file and opens an engine on it.
    func engine(_ precision: CPUEngine.Options.Precision = .fp32) throws -> CPUEngine {
        try withTemporaryDirectory { folder in
            let path = folder.appending(path: "model.gguf").path
            try GGUFWriter.write(to: path, metadata: metadata, tensors: written())
            let file = try GGUFFile(path: path)
            return try CPUEngine(file: file, tokenizer: SilentTokenizer(), options: .init(precision: precision))
        }
    }

    private func written() -> [GGUFWriter.Tensor] {
        var random = SplitMix64(seed: 1)
        return tensors.sorted { $0.key < $1.key }.map { name, tensor in
            let count = tensor.shape.reduce(1, *)
            let bytes: [UInt8]
            if tensor.type == .f32 {
                bytes = (values[name] ?? random.floats(count)).withUnsafeBytes { Array($0) }
            } else {
                bytes = Array(repeating: 0, count: count / tensor.type.blockLength * tensor.type.blockBytes)
            }
            return GGUFWriter.Tensor(name: name, type: tensor.type, shape: tensor.shape, bytes: bytes)
        }
    }
}
