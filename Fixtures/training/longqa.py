"""Writes the long prompts that compression is measured on: each of at least 1,000 tokens, with all that is asked of it.

    python longqa.py ../models/rag-mini.tokenizer.json ../qa/long.jsonl
"""

import json
import random
import sys
from pathlib import Path

import tokenizer
import world

SEED = 40_000_001
PER_KIND = 300          # questions of each kind
PER_PROMPT = 2          # questions of a kind about one prompt, at most
TOKENS = (1000, 1500)   # with the longest question


def main(tokenizer_path, out):
    t = tokenizer.load(tokenizer_path)
    rng = random.Random(SEED)
    missing = {k: PER_KIND for k in world.KINDS}
    with open(out, "w") as f:
        while any(missing.values()):
            p = world.draw_long(rng, chunks=rng.randint(6, 8), words=(110, 150))
            count = sum(len(t.encode(text).ids) for text in [p.system or "", *p.contexts])
            questions = []
            for kind in world.KINDS:
                every = [q for q in p.questions if q.kind == kind]
                questions += rng.sample(every, min(PER_PROMPT, missing[kind], len(every)))
            longest = max((len(t.encode(q.text).ids) for q in questions), default=0)
            if not questions or count < TOKENS[0] or count + longest > TOKENS[1]:
                continue
            for q in questions:
                missing[q.kind] -= 1
            f.write(json.dumps({
                "system": p.system, "contexts": p.contexts,
                "questions": [{"question": q.text, "answers": [q.answer.strip()], "kind": q.kind} for q in questions],
            }) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
