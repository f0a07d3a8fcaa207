"""Goes on training gui-mini for what presses presuppose: answers that depend on what is asked for and not on each token
around it, and hidden states that are longer on widgets than on plain ground.

    OMP_NUM_THREADS=1 python focus.py ../../models/gui-mini.gguf ../../models/gui-mini.tokenizer.json RUN_DIRECTORY

After `learn.py` the model had neither. The answer's tokens needed nearly every word of the question, which presses may
leave out, and before the first layers ground was the longest of all patches. Two things change that:

- The answer's tokens of most questions don't see a random share of everything that the answer does not need, wherever
  it stands and whatever it is, nor some of the question's words. Nothing else decides what is left out, so that the
  mask favours no way of pressing.
- The loss has a penalty for patches without an item that are longer than `SHORT` times the mean item, before any layer.
"""

import argparse
import math
import random
import re
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import vision  # first: it makes the parent folder known
import learn
import prompts
import questions
import screens
from evaluate import CLASS
from model import angles, rotate
from train import save, spans_of
from write import read

# Of the questions: those that see everything; of the others, those whose mask is drawn anew for each layer.
WHOLE, EACH_LAYER = .25, .5
# At most so much is left out; of the question's words, which the last ones have read, less; of its last tokens none.
MOST, WORDS, LAST = .95, .3, 8
SHORT, PENALTY = .5, .2
SHRINK = .2     # of the projector's output for patches without an item, before training
SPEC = dict(tokens=1800, untailed=0,
            tasks=[dict(frames=(1, 4), keep=learn.FEW, kinds=learn.ALL, weight=.5),
                   dict(frames=(3, 7), keep=learn.FEW, kinds=learn.ALL, weight=2),
                   dict(frames=(3, 7), keep=(1.0,), kinds=learn.ALL, weight=1)])
PLAIN = torch.tensor([CLASS[t] in ("ground", "texture", "bar") for t in range(len(screens.TILES))])
OPENED = torch.tensor([CLASS[t].startswith("opened") for t in range(len(screens.TILES))])


def asked_screen(question, last):
    """The number of the screen, from 0, that a `back` question speaks of; None for the other kinds."""
    found = re.search(r"opened (?:on the (\w+) screen|(\w+) steps? ago)", question)
    if not found:
        return None
    ordinal, count = found.groups()
    return questions.ORDINALS.index(ordinal) if ordinal else last - 1 - questions.COUNTS.index(count)


def needed(source, tile, cell, question, answer):
    """Which tokens of the screens the answer cannot do without: the item on the last screen and, if it is named by
    having been opened, the opened one on the screen that is spoken of, with the header of that screen."""
    patch = tile >= 0
    starts = (patch[1:] & ~patch[:-1]).nonzero().squeeze(-1) + 1
    frame = torch.bucketize(torch.arange(len(tile)), starts, right=True) - 1
    last = len(starts) - 1
    row, column = map(int, re.search(r"row (\d) column (\d)", answer).groups())
    found = patch & (frame == last) & (cell == row * screens.GRID + column)
    number = asked_screen(question, last)
    if number is not None:
        found |= patch & (frame == number) & OPENED[tile]
        first = starts[number]
        found[first - len(source.enc(questions.header(number + 1))):first] = True
    return found


def masks(source, a, places, layers, rng):
    """For each layer the spans of a row, and the numbers of the answers that miss something."""
    spans = [spans_of(places, a["segment"].numpy()[None]) for _ in range(layers)]
    missing = set()
    for document, (start, middle, end) in enumerate(places):
        segment, kind = a["segment"][start:end], a["kind"][start:end]
        tile, cell = a["tile"][start:middle], a["cell"][start:middle]
        for number in segment[middle - start:].unique().tolist():
            if rng.random() < WHOLE:
                continue
            own = segment == number
            words, answer = ((own & part).nonzero().squeeze(-1) for part in (kind == 0, kind > 0))
            texts = (source.t.decode(a["ids"][start + i].tolist()) for i in (words, answer))
            share = rng.uniform(0, MOST)
            chance = torch.zeros(end - start)
            chance[:middle - start] = share * ~needed(source, tile, cell, *texts)
            chance[words[:-LAST]] = WORDS * share
            anew = rng.random() < EACH_LAYER
            for layer in range(layers):
                if layer == 0 or anew:
                    gone = torch.rand(end - start) < chance
                seen = spans[layer][document].seen
                at = answer - (middle - start)
                seen[at] = seen[at].masked_fill(gone, float("-inf"))
            missing.add(a["answer"][start + answer[0]].item())
    return spans, missing


def run(model, a, spans):
    """Hidden states behind the last norm, and those before each layer."""
    x = model.embed_all(a["ids"], a["tile"], a["cell"])[None]
    cos, sin = (t.unsqueeze(1) for t in angles(model.c, a["position"][None]))
    taps = []
    for block, each in zip(model.blocks, spans):
        taps.append(x[0])
        x = block(x, cos, sin, each)
    return model.norm(x)[0], taps


def too_long(taps, tile):
    """How much longer than `SHORT` times the mean item patches without an item are, summed over the layers; and their
    mean length as a share of the mean item's, per layer."""
    patch = tile >= 0
    plain = patch.clone()
    plain[patch] = PLAIN[tile[patch]]
    if not plain.any():
        return torch.zeros(()), None
    ratios = [n[plain] / n[patch & ~plain].mean().detach() for n in (x.norm(dim=-1) for x in taps)]
    return sum(F.relu(r - SHORT).mean() for r in ratios), [r.mean().item() for r in ratios]


class Tally:
    """Wholly right answers per kind, apart for those that see everything and those that miss something."""

    def __init__(self):
        self.count = defaultdict(lambda: [0, 0])

    def add(self, a, hit, missing):
        target = a["kind"][1:] > 0
        kinds, answers = a["kind"][1:][target], a["answer"][1:][target]
        for number in answers.unique().tolist():
            part = answers == number
            at = self.count[number in missing, questions.KINDS[kinds[part][0] - 1]]
            at[0] += bool(hit[part].all())
            at[1] += 1

    def __str__(self):
        return " | ".join(f"{'part' if part else 'all'} seen: " + " ".join(
            f"{k} {self.count[part, k][0] / max(1, self.count[part, k][1]):.3f}" for k in questions.KINDS)
            for part in (False, True))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("tokenizer")
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=24, help="the time over which the rate falls")
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=79)
    o = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(o.seed)
    rng = random.Random(o.seed)
    o.out.mkdir(parents=True, exist_ok=True)
    model, source = read(o.model), prompts.Source(o.tokenizer)
    begun = time.time()
    with torch.no_grad():
        target = model.see(torch.arange(len(PLAIN))) * torch.where(PLAIN, SHRINK, 1.0)[:, None]
    error = vision.fit_projector(model, target, steps=1000, rate=1e-3)
    print(f"projector fitted again, error {error:.4f}, {time.time() - begun:.0f} s", flush=True)
    optimizer = learn.optimizer_for(model)
    model.train()
    started, saved, step, losses, tally = time.time(), 0, 0, [], Tally()
    while (minutes := (time.time() - started) / 60) < o.minutes:
        row = source.row(SPEC, (o.seed << 32) + step)
        a = {k: torch.from_numpy(v) for k, v in row.arrays().items()}
        spans, missing = masks(source, a, row.places, model.c.layers, rng)
        rate = o.rate * min(1, (step + 1) / 8) * (.03 + .97 * .5 * (1 + math.cos(math.pi * minutes / o.minutes)))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        hidden, taps = run(model, a, spans)
        targets = a["kind"][1:] > 0
        logits, want = model.logits(hidden[:-1][targets]), a["ids"][1:][targets]
        loss = F.cross_entropy(logits, want)
        penalty, ratios = too_long(taps, a["tile"])
        optimizer.zero_grad(set_to_none=True)
        (loss + PENALTY * penalty).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        losses.append(loss.item())
        tally.add(a, logits.argmax(-1) == want, missing)
        if step % 25 == 0:
            print(f"{step} {minutes:.1f} min loss {np.mean(losses):.3f} | {tally} | plain / item "
                  + " ".join(f"{r:.2f}" for r in ratios or ()), flush=True)
            losses, tally = [], Tally()
        if minutes - saved > 4:
            saved = minutes
            save(o.out / f"checkpoint-{minutes:.0f}.pt", model=model.state_dict(), config=model.c.as_dict(), step=step)
    save(o.out / "checkpoint.pt", model=model.state_dict(), config=model.c.as_dict(), step=step)
    print(f"{step} steps", flush=True)


if __name__ == "__main__":
    main()
