# SPDX-License-Identifier: Apache-2.0
"""Makes the goldens of the fixture model: prompts of held-out questions, transformers' fp32 logits of their last
positions, and the greedy answers.

    pip install torch transformers gguf numpy tokenizers
    python Fixtures/goldens/rag_mini.py Fixtures/models/rag-mini.gguf Fixtures/models/rag-mini.tokenizer.json \\
        Fixtures/qa/heldout.jsonl

Prompts are spread evenly over the kinds of questions. Each segment is tokenised alone and the ids are spliced, behind
one opening token. A prompt whose greedy answer is not well defined (a lead below `MARGIN` at some step) is passed over.
"""

import itertools
import json
import pathlib
import sys

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

import gguf_llama

HERE = pathlib.Path(__file__).parent
PROMPTS, POSITIONS, CONTINUATION, MARGIN = 20, 2, 64, 5e-3


def spliced(tokenizer: Tokenizer, beginning: int, item: dict) -> list[int]:
    segments = [item["system"], *item["contexts"], item["question"]]
    return [beginning, *(i for text in segments for i in tokenizer.encode(text or "", add_special_tokens=False).ids)]


def by_turns(items: list[dict]):
    """Items with their line numbers, one of each kind after the other."""
    kinds = {}
    for line, item in enumerate(items):
        kinds.setdefault(item["kind"], []).append((line, item))
    for row in itertools.zip_longest(*kinds.values()):
        yield from (entry for entry in row if entry)


def main(model_path: pathlib.Path, tokenizer_path: pathlib.Path, questions: pathlib.Path) -> None:
    torch.set_num_threads(1)  # one order of summation, whatever the machine
    metadata, _ = gguf_llama.read(model_path)
    beginning, end = metadata["tokenizer.ggml.bos_token_id"], metadata["tokenizer.ggml.eos_token_id"]
    model = gguf_llama.load(model_path)
    model_path = model_path.resolve()
    theirs = AutoModelForCausalLM.from_pretrained(
        model_path.parent, gguf_file=str(model_path), dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    index, logits = [], []
    for line, item in by_turns([json.loads(line) for line in questions.read_text().splitlines()]):
        prompt = spliced(tokenizer, beginning, item)
        answer, margin = gguf_llama.greedy(model, prompt, CONTINUATION, stop={end})
        if margin < MARGIN or not answer:
            continue
        expected = gguf_llama.logits(model, prompt)[-POSITIONS:]
        assert np.abs(gguf_llama.logits(theirs, prompt)[-POSITIONS:] - expected).max() < 1e-4, "the loaders differ"
        if len(answer) < CONTINUATION:
            answer.append(end)
        logits.append(expected)
        name = f"rag-mini-{line + 1}-{item['kind']}"
        index.append({
            "name": name, "model": f"../models/{model_path.name}", "logits": "rag-mini.logits",
            "offset": 4 * expected.size * len(index), "positions": POSITIONS, "vocabulary": expected.shape[1],
            "prompt": prompt, "continuation": answer,
        })  # fmt: skip
        print(f"{name}: {len(prompt)} tokens, least margin {margin:.3f}: {tokenizer.decode(answer)!r}")
        if len(index) == PROMPTS:
            break
    np.concatenate(logits).astype("<f4").tofile(HERE / "rag-mini.logits")
    rows = ",\n".join("  " + json.dumps(golden) for golden in index)
    (HERE / "rag-mini.json").write_text(f"[\n{rows}\n]\n")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*map(pathlib.Path, sys.argv[1:]))
