# SPDX-License-Identifier: Apache-2.0
"""Makes the random-weight golden models: GGUF files, prompts, transformers' fp32 logits and greedy continuations.

    pip install torch transformers gguf numpy
    python Fixtures/goldens/make.py

Files are reproducible from the seeds below. For each model it takes the first seed from 0 on whose greedy text is
well defined (the best token leads by `MARGIN` at every step) and not degenerate (`DISTINCT` different tokens), and
whose logits an engine can reach in BF16 (rounding alone stays below `BF16_ERROR`). The Llama-3 scaling of the
reference is transformers' own, not the factors that the file holds.
"""

import copy
import json
import pathlib
import tempfile

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from transformers import AutoModelForCausalLM

import gguf_llama

HERE = pathlib.Path(__file__).parent
PROMPT, CONTINUATION = 48, 64
MARGIN, DISTINCT, BF16_ERROR = 1e-2, 12, 2e-2
SPECIALS = ["<|begin|>", "<|end|>"]


def llama3(factor: float, context: int) -> dict:
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": context,
    }


# types: the tensor type of matrices, then of embeddings and output. Norms are F32 always, as converters write them.
# The original contexts of the Llama-3 scalings are short, so that all three branches of it act at these positions.
MODELS = {
    "mha-d32-f32": dict(
        width=64, heads=2, kv_heads=2, dimension=32, layers=2, hidden=100, vocabulary=259, tied=True,
        types=(Type.F32, Type.F32), base=1e4, epsilon=1e-5),
    "mha-d48-bf16": dict(
        width=96, heads=2, kv_heads=2, dimension=48, layers=3, hidden=72, vocabulary=263, tied=True,
        types=(Type.BF16, Type.BF16), base=1e4, epsilon=1e-6),
    "gqa4-d48-keylength-f16": dict(
        width=80, heads=4, kv_heads=1, dimension=48, layers=2, hidden=120, vocabulary=259, tied=False,
        types=(Type.F16, Type.F16), base=1e4, epsilon=1e-5),
    "gqa4-d128-llama3-bf16": dict(
        width=64, heads=4, kv_heads=1, dimension=128, layers=2, hidden=128, vocabulary=515, tied=True,
        types=(Type.BF16, Type.BF16), base=5e5, epsilon=1e-5, scaling=llama3(8.0, 64)),
    "gqa7-d32-q8": dict(
        width=224, heads=7, kv_heads=1, dimension=32, layers=2, hidden=96, vocabulary=517, tied=True,
        types=(Type.Q8_0, Type.Q8_0), base=1e6, epsilon=1e-6),
    "gqa7-d64-llama3-bf16": dict(
        width=42, heads=14, kv_heads=2, dimension=64, layers=2, hidden=96, vocabulary=259, tied=False,
        types=(Type.BF16, Type.F32), base=5e5, epsilon=1e-5, scaling=llama3(32.0, 32)),
    "gqa4-d32-linear-q8-f16": dict(
        width=64, heads=8, kv_heads=2, dimension=32, layers=2, hidden=128, vocabulary=1031, tied=False,
        types=(Type.F16, Type.Q8_0), base=1e4, epsilon=1e-5, scaling={"rope_type": "linear", "factor": 4.0}),
}  # fmt: skip


def weights(shape: dict, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Tensors in the checkpoints' order. The gains keep attention uneven and logits spread."""

    def matrix(rows, columns, gain=1.0):
        return (random.standard_normal((rows, columns)) * gain / np.sqrt(columns)).astype(np.float32)

    def norm():
        return (1 + 0.2 * random.standard_normal(shape["width"])).astype(np.float32)

    width, hidden = shape["width"], shape["hidden"]
    queries, keys = shape["heads"] * shape["dimension"], shape["kv_heads"] * shape["dimension"]
    tensors = {"token_embd.weight": matrix(shape["vocabulary"], width, np.sqrt(width) / 2)}
    for layer in range(shape["layers"]):
        part = lambda name: f"blk.{layer}.{name}.weight"
        tensors |= {
            part("attn_norm"): norm(),
            part("attn_q"): matrix(queries, width),
            part("attn_k"): matrix(keys, width),
            part("attn_v"): matrix(keys, width, 1.5),
            part("attn_output"): matrix(width, queries, 1.5),
            part("ffn_norm"): norm(),
            part("ffn_gate"): matrix(hidden, width, 1.5),
            part("ffn_up"): matrix(hidden, width, 1.5),
            part("ffn_down"): matrix(width, hidden, 1.5),
        }
    tensors["output_norm.weight"] = norm()
    if not shape["tied"]:
        tensors["output.weight"] = matrix(shape["vocabulary"], width, 2.0)
    return tensors


def byte_alphabet() -> list[str]:
    """The 256 characters that stand for bytes in a byte-level vocabulary (GPT-2), in byte order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


def vocabulary(size: int, random: np.random.Generator) -> tuple[list[str], list[int], list[str]]:
    """Tokens, token types and merges of a byte-level BPE of exactly `size` tokens, its specials last."""
    tokens, merges = byte_alphabet(), []
    known, letters = set(tokens), [chr(c) for c in range(ord("a"), ord("z") + 1)]
    while len(tokens) < size - len(SPECIALS):
        left, right = random.choice(letters + tokens[256:]), random.choice(letters)
        if left + right not in known:
            known.add(left + right)
            tokens.append(left + right)
            merges.append(f"{left} {right}")
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    return tokens + SPECIALS, [normal] * len(tokens) + [control] * len(SPECIALS), merges


def write(path: pathlib.Path, name: str, shape: dict, tensors: dict, random: np.random.Generator) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_context_length(256)
    writer.add_embedding_length(shape["width"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["hidden"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_layer_norm_rms_eps(shape["epsilon"])
    writer.add_rope_freq_base(shape["base"])
    writer.add_rope_dimension_count(shape["dimension"])
    if shape["dimension"] * shape["heads"] != shape["width"]:
        writer.add_key_length(shape["dimension"])
        writer.add_value_length(shape["dimension"])
    writer.add_vocab_size(shape["vocabulary"])
    scaling = shape.get("scaling", {})
    if scaling.get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(scaling["factor"])
    if scaling.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", gguf_llama.llama3_factors(shape["dimension"], shape["base"], scaling))

    tokens, types, merges = vocabulary(shape["vocabulary"], random)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index(SPECIALS[0]))
    writer.add_eos_token_id(tokens.index(SPECIALS[1]))
    writer.add_add_bos_token(False)

    for tensor, values in tensors.items():
        if ".attn_q." in tensor:
            values = gguf_llama.interleave(values, shape["heads"])
        elif ".attn_k." in tensor:
            values = gguf_llama.interleave(values, shape["kv_heads"])
        kind = Type.F32
        if values.ndim == 2:
            kind = shape["types"][0] if tensor.startswith("blk.") else shape["types"][1]
        writer.add_tensor(tensor, gguf.quants.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def reference(path: pathlib.Path, shape: dict):
    """The model with transformers' own rotation for the scaling, and how far the file's factors are from it."""
    model = gguf_llama.load(path)
    if shape.get("scaling", {}).get("rope_type") != "llama3":
        return model
    stored = model.model.rotary_emb.inv_freq.clone()
    model.config.rope_parameters = shape["scaling"] | {"rope_theta": shape["base"]}
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config)
    computed = model.model.rotary_emb.inv_freq
    assert torch.allclose(stored, computed, rtol=1e-5), "rope_freqs.weight is not transformers' llama3 scaling"
    factors = 1 / (computed * shape["base"] ** (torch.arange(0, shape["dimension"], 2) / shape["dimension"]))
    assert (factors < 1.001).any() and (factors > shape["scaling"]["factor"] * 0.999).any()
    assert ((factors > 1.01) & (factors < shape["scaling"]["factor"] * 0.99)).any(), "no smooth branch"
    return model


def plain_rotation_error(model, shape: dict, ids: list[int], expected: np.ndarray) -> float:
    """How far the logits go when the scaling is left out: a test against them must be able to fail."""
    inverse = model.model.rotary_emb.inv_freq
    saved = inverse.clone()
    steps = torch.arange(0, shape["dimension"], 2, dtype=torch.float32) / shape["dimension"]
    inverse.copy_(1 / shape["base"] ** steps)
    error = np.abs(gguf_llama.logits(model, ids) - expected).max()
    inverse.copy_(saved)
    return float(error)


def attempt(name: str, shape: dict, seed: int, folder: pathlib.Path) -> dict | None:
    """Writes one model into `folder`; nil when its greedy text would be ill defined or dull."""
    random = np.random.Generator(np.random.PCG64([seed, *name.encode()]))
    path = folder / f"{name}.gguf"
    write(path, name, shape, weights(shape, random), random)
    prompt = [int(i) for i in random.integers(0, shape["vocabulary"] - len(SPECIALS), PROMPT)]
    model = reference(path, shape)
    tokens, margin = gguf_llama.greedy(model, prompt, CONTINUATION)
    if margin < MARGIN or len(set(tokens)) < DISTINCT or max(tokens) >= shape["vocabulary"] - len(SPECIALS):
        return None
    expected = gguf_llama.logits(model, prompt)
    bf16 = bf16_error(model, prompt, expected)
    if bf16 > BF16_ERROR:
        return None

    if "scaling" in shape:
        assert plain_rotation_error(model, shape, prompt, expected) > 0.1, "the scaling does not act"
    else:
        # A path, because of a bare name transformers takes the file in the working folder, if there is one.
        loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=str(path), attn_implementation="eager")
        assert np.abs(gguf_llama.logits(loaded, prompt) - expected).max() < 1e-4, "transformers' GGUF loader differs"
    expected.astype("<f4").tofile(folder / f"{name}.logits")
    exact = gguf_llama.logits(model.double(), prompt)
    print(
        f"{name}: seed {seed}, least margin {margin:.3f}, {len(set(tokens))} distinct, logits σ {expected.std():.2f}, "
        f"fp32 off fp64 by {np.abs(expected - exact).max():.1e}, BF16 by {bf16:.1e} relative")
    return {
        "name": name, "model": path.name, "logits": f"{name}.logits", "offset": 0, "positions": PROMPT,
        "vocabulary": shape["vocabulary"], "prompt": prompt, "continuation": tokens,
    }  # fmt: skip


def bf16_error(model, ids: list[int], expected: np.ndarray) -> float:
    """The largest relative error ‖x − ref‖ / ‖ref‖ of a position when weights and inputs of every matrix product are
    rounded to BF16 and all else stays fp32: what an engine that computes in BF16 can't avoid."""
    rounded = copy.deepcopy(model)
    for layer in rounded.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.weight.data = layer.weight.data.bfloat16().float()
            layer.register_forward_pre_hook(lambda _, inputs: inputs[0].bfloat16().float())
    error = np.linalg.norm(gguf_llama.logits(rounded, ids) - expected, axis=1)
    return float((error / np.linalg.norm(expected, axis=1)).max())


def main() -> None:
    torch.set_num_threads(1)  # one order of summation, whatever the machine
    index = []
    for name, shape in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            golden = None
            for seed in range(1000):
                if golden := attempt(name, shape, seed, folder):
                    break
            if golden is None:
                raise SystemExit(f"{name}: no seed below 1000 gives a well-defined text")
            for file in folder.iterdir():
                (HERE / file.name).write_bytes(file.read_bytes())
        index.append(golden)
    rows = ",\n".join("  " + json.dumps(golden) for golden in index)
    (HERE / "goldens.json").write_text(f"[\n{rows}\n]\n")


if __name__ == "__main__":
    main()
