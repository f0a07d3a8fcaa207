"""Held-out accuracy of gui-mini, what evicting patches does to it, and residual norms per class of token.

    OMP_NUM_THREADS=1 python evaluate.py ../../models/gui-mini.gguf ../../models/gui-mini.tokenizer.json \\
        ../../gui/heldout.jsonl

An answer counts when it is right letter for letter. Greedy decoding gives exactly the right answer when every token is
the likeliest behind the right ones before it, so one pass over prompt and right answer tells. Evicting patches after
the prompt's prefill hides them, in every layer, from the answer's tokens alone: the first of these still comes of the
full prefill, and the rest is computed from keys and values at unchanged positions.
"""

import argparse
import json
import random
from collections import defaultdict

import numpy as np
import torch

import vision  # first: it makes the parent folder known
import prompts
import questions
import screens
from model import angles, rotate
from write import read

COUNT, NORMS = screens.GRID ** 2, 50
CLASS = {i: key[0] if key[0] != "item" else "icon" if key[3] in screens.ICONS else "button"
         for key, i in screens.INDEX.items()}
CLASS |= {i: f"opened {CLASS[i]}" for key, i in screens.INDEX.items() if key[0] == "item" and key[4]}
CLASS |= {i: "texture" for key, i in screens.INDEX.items() if key[0] == "ground" and key[2]}


def oracle(frames, _):
    """Patches (screen, cell) of all items of the last screen, and on earlier ones the opened and the changed items."""
    last = len(frames) - 1
    return {(n, c) for n, tiles in enumerate(frames) for c, t in enumerate(tiles) if t in prompts.ITEMS
            and (n == last or CLASS[t].startswith("opened") or n and t != frames[n - 1][c])}


def randomly(share):
    def choose(frames, rng):
        every = [(n, c) for n in range(len(frames)) for c in range(COUNT)]
        return set(rng.sample(every, round(share * len(every))))
    return choose


def without(part):
    """All patches but the items that `part` says: of the last screen, or of the earlier ones."""
    def choose(frames, _):
        last = len(frames) - 1
        return {(n, c) for n, tiles in enumerate(frames) for c, t in enumerate(tiles)
                if t not in prompts.ITEMS or (n == last) != (part == "last")}
    return choose


WAYS = {"full": None, "random 50 %": randomly(.5), "random 20 %": randomly(.2), "oracle": oracle,
        "no items of the last screen": without("last"), "no items of earlier screens": without("earlier"),
        "no patches": lambda *_: set()}


class Prefilled:
    """An episode's screens and the questions' prompts, computed once: their keys and values in every layer."""

    def __init__(self, model, source, item):
        self.model, self.row = model, prompts.Row()
        self.questions = [(source.enc(q["question"]), source.enc(" " + q["answers"][0]) + [source.eos]) for q in item["questions"]]
        self.at = source.screens(self.row, item["frames"])
        self.middle = len(self.row)
        for number, (prompt, _) in enumerate(self.questions):
            self.row.text(prompt, self.at, segment=number + 1)
        self.arrays = {k: torch.from_numpy(v) for k, v in self.row.arrays().items()}
        self.patches = (self.arrays["tile"] >= 0).nonzero().squeeze(-1).tolist()
        self.kept, self.taps = [], []
        n, segment = len(self.row), self.arrays["segment"]
        seen = torch.ones(n, n, dtype=torch.bool).tril() & ((segment == 0)[None] | (segment[:, None] == segment[None]))
        self.hidden = self.run(self.arrays, seen, self.kept, self.taps)

    def run(self, a, seen, store=None, taps=None):
        """The hidden states of a row that sees the prefilled tokens, if there are any yet, and itself."""
        model = self.model
        cos, sin = angles(model.c, a["position"][None, None])
        mask = torch.zeros(seen.shape).masked_fill_(~seen, float("-inf"))
        x = model.embed_all(a["ids"], a["tile"], a["cell"])[None]
        for i, b in enumerate(model.blocks):
            if taps is not None:
                taps.append(x)
            q, k, v = b.qkv(x)
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
            if store is not None:
                store.append((k, v))
            else:
                k, v = (torch.cat(pair, dim=2) for pair in zip(self.kept[i], (k, v)))
            x = b.attend(x, q, k, v, mask)
        if taps is not None:
            taps.append(x)
        return model.norm(x)[0]

    def right(self, kept):
        """Which answers are right with only the patches `kept` (sets per question, or None for all) left to them."""
        row, first = prompts.Row(), []
        for number, (prompt, answer) in enumerate(self.questions):
            row.text(answer, self.at + len(prompt), segment=number + 1)
            first.append(int((self.arrays["segment"] == number + 1).nonzero()[-1]))
        a = {k: torch.from_numpy(v) for k, v in row.arrays().items()}
        before, own = self.arrays["segment"][None], a["segment"][:, None]
        seen = (before == 0) | (before == own)
        for number, keep in enumerate(kept or ()):
            gone = [i for n, i in enumerate(self.patches) if divmod(n, COUNT) not in keep]
            seen[torch.outer(a["segment"] == number + 1, torch.isin(torch.arange(len(self.row)), torch.tensor(gone)))] = False
        hidden = self.run(a, torch.cat([seen, (own == a["segment"][None]).tril()], dim=1))
        best, found, at = self.model.logits(hidden).argmax(-1), [], 0
        starts = self.model.logits(self.hidden[first]).argmax(-1)
        for (_, answer), start in zip(self.questions, starts.tolist()):
            found.append([start] + best[at:at + len(answer) - 1].tolist() == answer)
            at += len(answer)
        return found


def accuracy(model, source, items):
    """For each way: {(kind, screens): [right, all]} and the shares of tokens kept; and the residual norms of `norms`."""
    rng, count = random.Random(1), {name: defaultdict(lambda: [0, 0]) for name in WAYS}
    share, sums = defaultdict(list), defaultdict(lambda: [0, 0])
    for number, item in enumerate(items):
        done, frames = Prefilled(model, source, item), item["frames"]
        for name, choose in WAYS.items():
            kept = choose and [choose(frames, rng) for _ in item["questions"]]
            share[name] += [1 - (len(done.patches) - len(k)) / (done.middle + len(p))
                            for k, (p, _) in zip(kept or (), done.questions)]
            for q, good in zip(item["questions"], done.right(kept)):
                at = count[name][q["kind"], len(frames)]
                at[0] += good
                at[1] += 1
        if number < NORMS:
            norms(done, sums)
    return count, {k: np.mean(v) for k, v in share.items() if v}, {k: (v / n, n) for k, (v, n) in sums.items()}


def norms(done, sums):
    """Adds up, per class of token of the screens, the residual stream's norm before the first layer and behind each."""
    each = torch.stack([x[0].norm(dim=-1) for x in done.taps], dim=1).numpy()
    for i, t in enumerate(done.row.tile[:done.middle]):
        part = sums["<s>" if i == 0 else "text" if t < 0 else CLASS[t]]
        part[0] = part[0] + each[i]
        part[1] += 1


def summary(count):
    """Shares by kind, by screens, and of all."""
    found = {kind: [v for (k, _), v in count.items() if k == kind] for kind in questions.KINDS}
    found |= {n: [v for (_, frames), v in count.items() if frames == n] for n in sorted({n for _, n in count})}
    found["all"] = list(count.values())
    return {k: sum(v[0] for v in part) / max(1, sum(v[1] for v in part)) for k, part in found.items()}


def main():
    a = argparse.ArgumentParser()
    a.add_argument("model")
    a.add_argument("tokenizer")
    a.add_argument("heldout")
    a.add_argument("--episodes", type=int, help="only so many, from the beginning")
    o = a.parse_args()
    torch.set_num_threads(1)
    model, source = read(o.model), prompts.Source(o.tokenizer)
    items = [json.loads(line) for line in open(o.heldout)][:o.episodes]
    with torch.no_grad():
        counts, shares, mean_norms = accuracy(model, source, items)
    for name, count in counts.items():
        print(f"{name}: kept {shares.get(name, 1):.3f} | " + " ".join(f"{k} {v:.3f}" for k, v in summary(count).items()))
    for kind in questions.KINDS:
        print(f"full, {kind}: " + " ".join(f"{n}: {g}/{e}" for (k, n), (g, e) in sorted(counts["full"].items()) if k == kind))
    for name, (values, number) in mean_norms.items():
        print(f"norms, {name} ({number}): " + " ".join(f"{v:.2f}" for v in values))


if __name__ == "__main__":
    main()
