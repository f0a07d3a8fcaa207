# SPDX-License-Identifier: Apache-2.0
"""Loads a GGUF file of the `llama` architecture into transformers' LlamaForCausalLM, in fp32.

Every tensor is dequantised from the file's own bytes, so the reference computes with the numbers that an engine
reads. Rows of Q and K go back from GGUF's interleaved RoPE order to the checkpoints' order of halves.
"""

import math

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from transformers import LlamaConfig, LlamaForCausalLM

LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def interleave(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of Q or K from the order of halves (i, i + d/2) to the interleaved one (2i, 2i + 1), as llama.cpp's
    converter writes them."""
    shape = rows.shape
    return rows.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def halve(rows: np.ndarray, heads: int) -> np.ndarray:
    """The inverse of `interleave`."""
    shape = rows.shape
    return rows.reshape(heads, shape[0] // heads // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def checkpoint_name(gguf_name: str) -> str:
    """The name of a tensor in a transformers checkpoint."""
    stem, _, suffix = gguf_name.rpartition(".")
    if stem.startswith("blk."):
        _, layer, part = stem.split(".")
        return f"model.layers.{layer}.{LAYER_NAMES[part]}.{suffix}"
    return f"{TOP_NAMES[stem]}.{suffix}"


def llama3_factors(dimensions: int, base: float, scaling: dict) -> np.ndarray:
    """The divisors of the RoPE frequencies that Llama 3.1 prescribes, as llama.cpp's converter stores them in
    `rope_freqs.weight`."""
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    context, factor = scaling["original_max_position_embeddings"], scaling["factor"]
    factors = []
    for i in range(0, dimensions, 2):
        wavelength = 2 * math.pi * base ** (i / dimensions)
        if wavelength < context / high:
            factors.append(1.0)
        elif wavelength > context / low:
            factors.append(factor)
        else:
            smooth = (context / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


def read(path) -> tuple[dict, dict]:
    """The metadata and the dequantised fp32 tensors of a file."""
    reader = GGUFReader(path)
    metadata = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {
        t.name: dequantize(t.data, t.tensor_type).astype(np.float32).reshape([int(n) for n in t.shape[::-1]])
        for t in reader.tensors
    }
    return metadata, tensors


def load(path) -> LlamaForCausalLM:
    """The model of a file, ready to run."""
    metadata, tensors = read(path)
    if metadata["general.architecture"] != "llama":
        raise SystemExit(f"{path}: the architecture is {metadata['general.architecture']}, not llama")
    key = lambda name, default=None: metadata.get(f"llama.{name}", default)
    width, heads = key("embedding_length"), key("attention.head_count")
    kv_heads = key("attention.head_count_kv", heads)
    dimension = key("attention.key_length", width // heads)
    rope = {"rope_type": "default", "rope_theta": key("rope.freq_base", 10000.0)}
    if key("rope.scaling.type", "none") == "linear":
        rope |= {"rope_type": "linear", "factor": key("rope.scaling.factor")}

    config = LlamaConfig(
        vocab_size=tensors["token_embd.weight"].shape[0],
        hidden_size=width,
        intermediate_size=key("feed_forward_length"),
        num_hidden_layers=key("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=dimension,
        max_position_embeddings=key("context_length"),
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        rope_parameters=rope,
        tie_word_embeddings="output.weight" not in tensors,
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config).float().eval()

    factors = tensors.pop("rope_freqs.weight", None)
    state = {}
    for name, values in tensors.items():
        if ".attn_q." in name:
            values = halve(values, heads)
        elif ".attn_k." in name:
            values = halve(values, kv_heads)
        state[checkpoint_name(name)] = torch.from_numpy(np.ascontiguousarray(values))
    if config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state, strict=True)
    if factors is not None:
        model.model.rotary_emb.inv_freq.div_(torch.from_numpy(factors))
    return model


@torch.no_grad()
def logits(model: LlamaForCausalLM, ids: list[int]) -> np.ndarray:
    """The fp32 logits of every position, (position, vocabulary)."""
    return model(torch.tensor([ids])).logits[0].numpy()


@torch.no_grad()
def greedy(model: LlamaForCausalLM, ids: list[int], count: int, stop: set[int] = frozenset()) -> tuple[list, float]:
    """The greedy continuation of at most `count` tokens, and the least margin between the best two logits.

    A token of `stop` ends it and is not part of it.
    """
    tokens, margin, cache, step = [], math.inf, None, ids
    while len(tokens) < count:
        output = model(torch.tensor([step]), past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        best = torch.topk(output.logits[0, -1], 2)
        margin = min(margin, (best.values[0] - best.values[1]).item())
        token = best.indices[0].item()
        if token in stop:
            break
        tokens.append(token)
        step = [token]
    return tokens, margin
