"""Writes a checkpoint as GGUF: the decoder by the parent folder's `export`, and the projector besides.

    python write.py RUN_DIRECTORY/checkpoint.pt ../../models/gui-mini.tokenizer.json ../../models/gui-mini.gguf --check
"""

import argparse
import os
import random

import gguf
import torch

import vision  # first: it makes the parent folder known
import export
import prompts
import questions
import screens
from model import Config


def load_checkpoint(path):
    """The checkpoint's model, its matrices rounded to BF16 but for the cells' embeddings, which the file holds in F32."""
    state = torch.load(path, weights_only=False, map_location="cpu")
    model = vision.Seer(Config(**state["config"]))
    model.load_state_dict(state["model"])
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 2 and not name.startswith(("row", "column")):
                p.copy_(p.to(torch.bfloat16).float())
    return model.eval()


def read(path):
    """The model of a file that `write` wrote."""
    decoder = export.read_gguf(path)
    tensors = {t.name: torch.from_numpy(gguf.dequantize(t.data, t.tensor_type).copy())
               for t in gguf.GGUFReader(path).tensors if t.name.startswith(("v.", "mm."))}
    model = vision.Seer(decoder.c)
    model.load_state_dict(decoder.state_dict(), strict=False)
    table = tensors["v.position_embd.weight"].reshape(screens.GRID, screens.GRID, -1)
    with torch.no_grad():
        model.patch.weight.copy_(tensors["v.patch_embd.weight"])
        model.patch.bias.copy_(tensors["v.patch_embd.bias"])
        model.project.weight.copy_(tensors["mm.2.weight"])
        model.project.bias.copy_(tensors["mm.2.bias"])
        model.row.weight.copy_(table[:, 0])
        model.column.weight.copy_(table[0] - table[0, 0])
    return model.eval()


def write(model, tokenizer_path, target):
    """The decoder's file once more, with the projector's metadata and tensors behind its own."""
    decoder, temporary = f"{target}.decoder", f"{target}.tmp"
    export.export(model, tokenizer_path, decoder)
    reader = gguf.GGUFReader(decoder)
    w = gguf.GGUFWriter(temporary, "llama")
    for name, f in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.name", "general.description"):
            sub = f.types[-1] if f.types[0] == gguf.GGUFValueType.ARRAY else None
            w.add_key_value(name, f.contents(), f.types[0], sub)
    w.add_name("Tessera GUI mini")
    w.add_description("A small Llama with a patch projector, trained on synthetic screens; a test fixture.")
    w.add_uint32("clip.vision.patch_size", screens.TILE)
    w.add_uint32("clip.vision.image_width", screens.GRID * screens.TILE)
    w.add_uint32("clip.vision.image_height", screens.GRID * screens.TILE)
    w.add_array("clip.vision.image_mean", list(vision.MEAN))
    w.add_array("clip.vision.image_std", list(vision.STD))
    w.add_bool("clip.use_gelu", True)
    for t in reader.tensors:
        w.add_tensor(t.name, t.data, raw_shape=t.data.shape, raw_dtype=t.tensor_type)
    with torch.no_grad():
        for name, part in (("v.patch_embd", model.patch), ("mm.2", model.project)):
            raw = part.weight.to(torch.bfloat16).contiguous().view(torch.uint8).numpy()
            w.add_tensor(f"{name}.weight", raw, raw_shape=raw.shape, raw_dtype=gguf.GGMLQuantizationType.BF16)
            w.add_tensor(f"{name}.bias", part.bias.numpy())
        w.add_tensor("v.position_embd.weight", model.places().numpy())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    os.remove(decoder)
    os.replace(temporary, target)


def check(model, tokenizer_path, target):
    """Logits of the file, read back here and by transformers (which takes our embeddings), against the model's own."""
    from transformers import AutoModelForCausalLM
    folder, name = os.path.split(os.path.abspath(target))
    theirs = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    again, source, rng = read(target), prompts.Source(tokenizer_path), random.Random(99)
    worst = [0.0, 0.0]
    for frames in (1, 3, 5, 7):
        e = screens.episode(rng, frames)
        row = prompts.Row()
        at = source.screens(row, [f.tiles for f in e.frames])
        _, prompt, item = questions.draw(rng, e, 1, dict.fromkeys(questions.KINDS, 1))[0]
        row.text(source.enc(prompt + questions.answer(item)), at)
        a = {k: torch.from_numpy(v) for k, v in row.arrays().items()}
        with torch.no_grad():
            x = model.embed_all(a["ids"], a["tile"], a["cell"])[None]
            own = model.logits(model(x, a["position"][None]))
            y = again.embed_all(a["ids"], a["tile"], a["cell"])[None]
            for i, other in enumerate((again.logits(again(y, a["position"][None])), theirs(inputs_embeds=y).logits)):
                worst[i] = max(worst[i], (own - other).abs().max().item())
    print(f"largest difference of a logit: read back {worst[0]:.1e}, transformers {worst[1]:.1e}")
    assert max(worst) < 1e-3


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("checkpoint")
    a.add_argument("tokenizer")
    a.add_argument("target")
    a.add_argument("--check", action="store_true")
    o = a.parse_args()
    torch.set_num_threads(1)
    model = load_checkpoint(o.checkpoint)
    write(model, o.tokenizer, o.target)
    print(f"{o.target}: {os.path.getsize(o.target) / 1e6:.1f} MB")
    if o.check:
        check(model, o.tokenizer, o.target)
