"""Writes a checkpoint as GGUF, and checks that transformers reads the same model from it.

    python export.py RUN_DIRECTORY/checkpoint.pt ../models/rag-mini.tokenizer.json ../models/rag-mini.gguf --check
"""

import argparse
import json
import os
from pathlib import Path

import gguf
import numpy as np
import torch

import tokenizer
from model import Config, Model


def load_model(path):
    """The checkpoint's model with its matrices rounded to BF16, which is what the file holds."""
    state = torch.load(path, weights_only=False, map_location="cpu")
    model = Model(Config(**state["config"]))
    model.load_state_dict(state["model"])
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 2:
                p.copy_(p.to(torch.bfloat16).float())
    return model.eval()


def interleaved(w, heads):
    """Rows of a Q or K matrix reordered so that the pair (i, i + d/2) of a head becomes (2i, 2i + 1)."""
    rows, width = w.shape
    return w.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)


def halved(w, heads):
    """The inverse of `interleaved`."""
    rows, width = w.shape
    return w.reshape(heads, rows // heads // 2, 2, width).swapaxes(1, 2).reshape(rows, width)


def read_gguf(path):
    """The model of a file that `export` wrote, to go on training from."""
    reader = gguf.GGUFReader(path)
    field = {name: f.contents() for name, f in reader.fields.items()}
    tensors = {t.name: torch.from_numpy(gguf.dequantize(t.data, t.tensor_type).astype(np.float32))
               for t in reader.tensors}
    key = lambda name: field["llama." + name]
    c = Config(vocab=len(tensors["token_embd.weight"]), layers=key("block_count"), width=key("embedding_length"),
               heads=key("attention.head_count"), kv_heads=key("attention.head_count_kv"),
               ffn=key("feed_forward_length"), theta=key("rope.freq_base"),
               eps=key("attention.layer_norm_rms_epsilon"))
    state = {"embed.weight": tensors["token_embd.weight"], "norm.weight": tensors["output_norm.weight"]}
    parts = {"attn_norm": "attn_norm", "attn_q": "q", "attn_k": "k", "attn_v": "v", "attn_output": "o",
             "ffn_norm": "ffn_norm", "ffn_gate": "gate", "ffn_up": "up", "ffn_down": "down"}
    for i in range(c.layers):
        for theirs, ours in parts.items():
            w = tensors[f"blk.{i}.{theirs}.weight"]
            if ours in "qk":
                w = halved(w, c.heads if ours == "q" else c.kv_heads)
            state[f"blocks.{i}.{ours}.weight"] = w
    model = Model(c)
    model.load_state_dict(state)
    return model


def export(model, tokenizer_path, target):
    c = model.c
    temporary = f"{target}.tmp"
    w = gguf.GGUFWriter(temporary, "llama")
    w.add_name("Tessera RAG mini")
    w.add_description("A small Llama trained on a synthetic world of short reports; a test fixture.")
    w.add_license("Apache-2.0")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    w.add_block_count(c.layers)
    w.add_context_length(c.context)
    w.add_embedding_length(c.width)
    w.add_feed_forward_length(c.ffn)
    w.add_head_count(c.heads)
    w.add_head_count_kv(c.kv_heads)
    w.add_layer_norm_rms_eps(c.eps)
    w.add_rope_freq_base(c.theta)
    w.add_rope_dimension_count(c.head_dim)
    w.add_vocab_size(c.vocab)

    spec = json.loads(Path(tokenizer_path).read_text())
    vocab = sorted(spec["model"]["vocab"].items(), key=lambda item: item[1])
    special = {t["content"] for t in spec["added_tokens"] if t["special"]}
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list([token for token, _ in vocab])
    w.add_token_types([gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token, _ in vocab])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in spec["model"]["merges"]])
    ids = dict(vocab)
    w.add_bos_token_id(ids[tokenizer.BOS])
    w.add_eos_token_id(ids[tokenizer.EOS])
    w.add_add_bos_token(True)
    w.add_add_eos_token(False)

    def matrix(name, p):
        raw = p.detach().to(torch.bfloat16).contiguous().view(torch.uint16).numpy()
        w.add_tensor(name, raw.view(np.uint8), raw_shape=(raw.shape[0], raw.shape[1] * 2),
                     raw_dtype=gguf.GGMLQuantizationType.BF16)

    def norm(name, p):
        w.add_tensor(name, p.detach().float().numpy())

    matrix("token_embd.weight", model.embed.weight)
    norm("output_norm.weight", model.norm.weight)
    for i, b in enumerate(model.blocks):
        at = f"blk.{i}."
        norm(at + "attn_norm.weight", b.attn_norm.weight)
        matrix(at + "attn_q.weight", interleaved(b.q.weight, c.heads))
        matrix(at + "attn_k.weight", interleaved(b.k.weight, c.kv_heads))
        matrix(at + "attn_v.weight", b.v.weight)
        matrix(at + "attn_output.weight", b.o.weight)
        norm(at + "ffn_norm.weight", b.ffn_norm.weight)
        matrix(at + "ffn_gate.weight", b.gate.weight)
        matrix(at + "ffn_up.weight", b.up.weight)
        matrix(at + "ffn_down.weight", b.down.weight)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    os.replace(temporary, target)


def check(model, tokenizer_path, target):
    """Logits and greedy answers of the file, read by transformers, against the model's own."""
    import random
    from transformers import AutoModelForCausalLM, AutoTokenizer
    import world
    folder, name = str(Path(target).resolve().parent), Path(target).name
    other = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    their = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    ours = tokenizer.load(tokenizer_path)
    bos = ours.token_to_id(tokenizer.BOS)
    eos = ours.token_to_id(tokenizer.EOS)
    rng = random.Random(99)
    worst, same, tokens_same = 0.0, 0, 0
    for number in range(20):
        p = world.draw_long(rng, chunks=6) if number % 5 == 4 else world.draw(rng, chunks=4)
        q = p.questions[0]
        parts = ([p.system] if p.system else []) + p.contexts + [q.text]
        ids = [bos] + [i for part in parts for i in ours.encode(part).ids]
        tokens_same += all(ours.encode(part).ids == their.encode(part, add_special_tokens=False) for part in parts)
        x = torch.tensor([ids])
        with torch.no_grad():
            a = model.logits(model(x, torch.arange(len(ids))[None]))
            b = other(x).logits
            worst = max(worst, (a - b).abs().max().item())
            mine = list(ids)
            for _ in range(32):
                y = torch.tensor([mine])
                mine.append(model.logits(model(y, torch.arange(len(mine))[None])[:, -1]).argmax().item())
                if mine[-1] == eos:
                    break
            theirs = other.generate(x, attention_mask=torch.ones_like(x), max_new_tokens=32, do_sample=False,
                                    eos_token_id=eos, pad_token_id=eos)[0].tolist()
        same += mine == theirs
    print(f"largest difference of a logit {worst:.2e}; greedy answers equal {same}/20; tokens equal {tokens_same}/20")
    assert worst < 1e-2 and same == 20 and tokens_same == 20


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("checkpoint")
    a.add_argument("tokenizer")
    a.add_argument("target")
    a.add_argument("--check", action="store_true")
    o = a.parse_args()
    model = load_model(o.checkpoint)
    export(model, o.tokenizer, o.target)
    print(f"{o.target}: {os.path.getsize(o.target) / 1e6:.1f} MB, {sum(p.numel() for p in model.parameters())} parameters")
    if o.check:
        check(model, o.tokenizer, o.target)
