"""Writes the fixture corpus, the questions on it, and the held-out prompts, all from fixed seeds.

The held-out prompts come in fours, a question of each kind on a short prompt, then on a long one, and so on: whoever
reads the first 4·n lines has n questions of each kind, half of them on long prompts.

    python corpus.py ../models/rag-mini.tokenizer.json ../corpus ../qa
"""

import json
import random
import sys
from pathlib import Path

import evaluate
import tokenizer
import world

SEED = 30_000_001
DOCUMENTS = 40
LONGEST = 72            # tokens in one report, heading and marker included
ASKED_PER_KIND = 30     # at most, on the corpus
HELD_OUT_PER_KIND = 500     # of each suite
FORMS = ["text"] * 4 + ["markdown"] * 4 + ["html"] * 2
SUFFIX = {"text": "txt", "markdown": "md", "html": "html"}


def render(contexts, form):
    if form != "html":
        return "\n\n".join(c.strip() for c in contexts) + "\n"
    parts = []
    for c in contexts:
        title, body = c.strip().split("\n", 1)
        parts.append(f"<h2>{title}</h2>\n<p>{body}</p>")
    return "<!DOCTYPE html>\n<html>\n<body>\n" + "\n\n".join(parts) + "\n</body>\n</html>\n"


def main(tokenizer_path, corpus, qa):
    corpus.mkdir(parents=True, exist_ok=True)
    qa.mkdir(parents=True, exist_ok=True)
    t = tokenizer.load(tokenizer_path)
    rng = random.Random(SEED)
    used, questions = set(), {k: [] for k in world.KINDS}
    for number in range(1, DOCUMENTS + 1):
        form = FORMS[(number - 1) % len(FORMS)]
        while True:
            taken = set(used)
            p = world.draw(rng, chunks=rng.randint(3, 6), headings=0, names=world.Names(rng, taken), form=form)
            if all(len(t.encode(c).ids) <= LONGEST for c in p.contexts):
                break
        used.clear()
        used.update(taken)
        name = f"report-{number:02}.{SUFFIX[form]}"
        (corpus / name).write_text(render(p.contexts, form))
        for q in p.questions:
            questions[q.kind].append((q, name))
    with open(qa / "corpus.jsonl", "w") as f:
        for kind, every in questions.items():
            for q, name in rng.sample(every, min(ASKED_PER_KIND, len(every))):
                f.write(json.dumps({"question": q.text, "answers": [q.answer.strip()], "kind": kind,
                                    "documents": [name] if kind != "unknown" else []}) + "\n")
    held_out = {(suite, kind): [] for suite in evaluate.SUITES for kind in world.KINDS}
    for suite in evaluate.SUITES:
        for p, chosen in evaluate.held_out(evaluate.HELD_OUT + 2, {k: HELD_OUT_PER_KIND for k in world.KINDS}, suite):
            for q in chosen:
                held_out[suite, q.kind].append({"system": p.system, "contexts": p.contexts, "question": q.text,
                                                "answers": [q.answer.strip()], "kind": q.kind})
    with open(qa / "heldout.jsonl", "w") as f:
        for fours in zip(*held_out.values()):
            for line in fours:
                f.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
