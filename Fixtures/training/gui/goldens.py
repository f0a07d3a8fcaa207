"""Writes the goldens of gui-mini: prompts of held-out episodes with logits and greedy answers in float32.

    python goldens.py ../../models/gui-mini.gguf ../../models/gui-mini.tokenizer.json ../../gui/heldout.jsonl \\
        ../../goldens/gui-mini.json

A prompt is texts[0], the patches of frames[0], texts[1], the patches of frames[1], and so on, ending with a text. A
prompt whose greedy answer is not well defined (a lead below `MARGIN` at some step) is passed over.
"""

import json
import sys
from pathlib import Path

import torch

import vision  # first: it makes the parent folder known
import prompts
from screens import GRID
from write import read

PROMPTS, TOP, LONGEST, MARGIN, PATCHES = 6, 16, 24, 0.05, 5


def answered(model, source, frames, prompt):
    """The row of prompt and answer, the prompt's length and last logits, the greedy ids and their least lead."""
    row, ids, lead, first = prompts.Row(), [], float("inf"), None
    at = source.screens(row, frames)
    row.text(source.enc(prompt), at)
    length = len(row)
    while len(ids) < LONGEST:
        a = {k: torch.from_numpy(v) for k, v in row.arrays().items()}
        x = model.embed_all(a["ids"], a["tile"], a["cell"])[None]
        logits = model.logits(model(x, a["position"][None])[0, -1])
        first = logits if first is None else first
        two = logits.topk(2)
        lead = min(lead, (two.values[0] - two.values[1]).item())
        ids.append(two.indices[0].item())
        if ids[-1] == source.eos:
            break
        row.text(ids[-1:], len(row))
    return row, length, first, ids, lead


def texts(row, length):
    """The token ids between the frames' patches."""
    found = [[]]
    for i in range(length):
        if row.tile[i] < 0:
            found[-1].append(row.ids[i])
        elif row.cell[i] == 0:
            found.append([])
    return found


def main(model_path, tokenizer_path, heldout, target):
    torch.set_num_threads(1)
    model, source = read(model_path), prompts.Source(tokenizer_path)
    goldens = []
    for line, item in list(enumerate(heldout.read_text().splitlines()))[::4]:      # of all lengths and kinds
        item = json.loads(item)
        q = item["questions"][len(goldens) % len(item["questions"])]
        row, length, logits, answer, lead = answered(model, source, item["frames"], q["question"])
        if lead < MARGIN:
            continue
        top = logits.topk(TOP)
        goldens.append({"name": f"gui-mini-{line + 1}-{q['kind']}", "frames": item["frames"], "texts": texts(row, length),
                        "length": length, "top_ids": top.indices.tolist(), "top_logits": top.values.tolist(),
                        "answer": answer, "answer_text": source.t.decode(answer)})
        print(f"{goldens[-1]['name']}: {length} tokens, least lead {lead:.2f}: {goldens[-1]['answer_text']!r}, "
              f"should be {q['answers'][0]!r}")
        if len(goldens) == PROMPTS:
            break
    frame = goldens[0]["frames"][-1]
    items = [c for c, t in enumerate(frame) if t in prompts.ITEMS]
    cells = [0, 1 * GRID + 1] + items[:PATCHES - 2]
    seen = model.see(torch.tensor([frame[c] for c in cells]))
    placed = seen + model.places()[cells]
    embeddings = [{"cell": c, "tile": frame[c], "projected": a.tolist(), "with_position": b.tolist()}
                  for c, a, b in zip(cells, seen, placed)]
    target.write_text(json.dumps({"model": "../models/gui-mini.gguf", "prompts": goldens, "embeddings": embeddings}) + "\n")


if __name__ == "__main__":
    with torch.no_grad():
        main(*map(Path, sys.argv[1:]))
