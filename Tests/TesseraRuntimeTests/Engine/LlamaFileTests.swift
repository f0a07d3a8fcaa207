// SPDX-License-Identifier: Apache-2.0

import TesseraKV
import TesseraRuntime
import Testing

@Suite struct `Llama model files` {
    @Test func `the plain fixture computes, and says what it is`() throws {
        let engine = try LlamaFixture().engine()
        #expect(engine.model.layout == KVLayout(layers: 1, heads: 1, headDimension: 16))
        #expect(engine.model.vocabulary == 10)
        #expect(engine.model.queryHeads == 2)
        #expect(engine.model.width == 32)
        #expect(engine.model.contextLength == 64)
        #expect(engine.model.precision == "fp32")
        let output = try engine.prefill([1, 2, 3], logits: .all)
        #expect(output.logits.count == 30 && output.logits.allSatisfy(\.isFinite))
    }

    @Test(
        arguments: [
            ("general.architecture", .string("gemma3"), TesseraError.Code.unsupported),
            ("llama.expert_count", .uint32(8), .unsupported),
            ("llama.attention.sliding_window", .uint32(512), .unsupported),
            ("llama.attn_logit_softcapping", .float32(50), .unsupported),
            ("llama.attention.scale", .float32(0.1), .unsupported),
            ("llama.residual_scale", .float32(0.2), .unsupported),
            ("llama.something_new", .string("yes"), .unsupported),
            ("llama.attention.value_length", .uint32(8), .unsupported),
            ("llama.attention.key_length", .uint32(1024), .unsupported),
            ("llama.rope.scaling.type", .string("longrope"), .unsupported),
            ("llama.attention.head_count_kv", .uint32(3), .corrupt),
            ("llama.attention.head_count", .uint32(0), .corrupt),
            ("llama.block_count", .uint32(0), .corrupt),
            ("llama.block_count", .uint64(1 << 40), .corrupt),
            ("llama.block_count", .string("one"), .corrupt),
            ("llama.rope.dimension_count", .uint32(7), .corrupt),
            ("llama.rope.dimension_count", .uint32(18), .corrupt),
            ("llama.rope.freq_base", .float32(.nan), .corrupt),
            ("llama.rope.scaling.factor", .float32(-2), .corrupt),
            ("llama.attention.layer_norm_rms_epsilon", .float32(.infinity), .corrupt),
        ] as [(String, GGUFValue, TesseraError.Code)])
    func `a value that is wrong or not computed is refused by name`(
        key: String, value: GGUFValue, code: TesseraError.Code
    ) throws {
        var fixture = LlamaFixture()
        fixture.metadata[key] = value
        let error = #expect(throws: TesseraError.self) { try fixture.engine() }
        #expect(error?.code == code)
        let named = [key, "gemma3", "longrope", "heads", "dimensions"].contains { error?.message.contains($0) == true }
        #expect(named)
    }

    @Test func `neutral values of the same keys are taken`() throws {
        var fixture = LlamaFixture()
        fixture.metadata["llama.expert_count"] = .uint32(0)
        fixture.metadata["llama.attention.causal"] = .bool(true)
        fixture.metadata["llama.rope.scaling.type"] = .string("none")
        fixture.metadata["llama.vocab_size"] = .uint32(10)
        _ = try fixture.engine()
    }

    @Test(arguments: LlamaFixture().metadata.keys.sorted().filter { $0 != "llama.attention.head_count_kv" })
    func `a missing value is named`(key: String) throws {
        var fixture = LlamaFixture()
        fixture.metadata[key] = nil
        let error = #expect(throws: TesseraError.self) { try fixture.engine() }
        #expect(error?.code == .corrupt)
        #expect(error?.message.contains(key) == true)
    }

    @Test(arguments: LlamaFixture().tensors.keys.sorted())
    func `a missing tensor, a wrong shape and a wrong type are named`(name: String) throws {
        var missing = LlamaFixture()
        missing.tensors[name] = nil
        var misshapen = LlamaFixture()
        misshapen.tensors[name]?.shape[0] += 32
        var mistyped = LlamaFixture()
        mistyped.tensors[name]?.type = LlamaFixture.foreignType
        for (fixture, code) in [(missing, TesseraError.Code.corrupt), (misshapen, .corrupt), (mistyped, .unsupported)] {
            let error = #expect(throws: TesseraError.self) { try fixture.engine() }
            #expect(error?.code == code)
            #expect(error?.message.contains(name) == true)
        }
    }

    @Test(arguments: [
        "blk.0.attn_q.bias", "blk.0.ffn_gate_inp.weight", "blk.0.attn_q_norm.weight", "blk.1.attn_q.weight",
    ])
    func `a tensor that is not computed with is refused by name`(name: String) throws {
        var fixture = LlamaFixture()
        fixture.tensors[name] = (.f32, [32])
        let error = #expect(throws: TesseraError.self) { try fixture.engine() }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains(name) == true)
    }

    @Test func `a separate output takes the place of the embedding`() throws {
        var fixture = LlamaFixture()
        fixture.tensors["output.weight"] = (.f32, [32, 10])
        fixture.values["output.weight"] = Array(repeating: 0, count: 320)
        #expect(try fixture.engine().prefill([1, 2], logits: .all).logits == Array(repeating: 0, count: 20))
    }
}
