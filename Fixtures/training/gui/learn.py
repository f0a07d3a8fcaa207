"""Trains gui-mini through the curriculum; resumes from the last checkpoint when there is one.

    OMP_NUM_THREADS=1 nice -n 5 python learn.py --out RUN_DIRECTORY --tokenizer ../../models/gui-mini.tokenizer.json
"""

import argparse
import math
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import vision  # first: it makes the parent folder known
import prompts
from model import Config
from questions import KINDS
from train import save, spans_of

ALL = {"current": 2, "icon": 2, "back": 6}

# `keep` is the share of patches without an item that an episode keeps. A stage ends when every kind of `until` has that
# share of wholly right answers, or after `steps`.
FEW = (0, .1, .3)
CALM = 0.6      # the rate's share for what is set at the start
STAGES = [
    dict(name="few", tokens=2000, untailed=1, steps=600, until={"current": .93, "icon": .93, "back": .9},
         tasks=[dict(frames=(1, 4), keep=FEW, kinds=ALL)]),
    dict(name="more", tokens=2200, untailed=.9, steps=700, until={},
         tasks=[dict(frames=(1, 4), keep=FEW, kinds=ALL), dict(frames=(3, 7), keep=FEW, kinds=ALL, weight=2)]),
    dict(name="mixed", tokens=1800, untailed=.5, steps=700, until={}, decay=True,
         tasks=[dict(frames=(1, 4), keep=FEW, kinds=ALL), dict(frames=(3, 7), keep=FEW, kinds=ALL, weight=2),
                dict(frames=(3, 7), keep=(1.0,), kinds=ALL, weight=.7)]),
]

_source = None


def _start(path):
    global _source
    _source = prompts.Source(path)


def _make(spec, seed):
    row = _source.row(spec, seed)
    return row.arrays(), row.places


def batch_loss(model, arrays, places):
    """The loss of the supervised tokens, and for each of them whether it was right."""
    a = {k: torch.from_numpy(v) for k, v in arrays.items()}
    x = model.embed_all(a["ids"], a["tile"], a["cell"])[None]
    hidden = model(x, a["position"][None], spans_of(places, arrays["segment"][None]))[0]
    targets = a["kind"][1:] > 0
    logits = model.logits(hidden[:-1][targets])
    want = a["ids"][1:][targets]
    return F.cross_entropy(logits, want), (logits.argmax(-1) == want).numpy()


class Score:
    """Wholly right answers, and right tokens at the places of the answer, per kind."""

    def __init__(self):
        self.good, self.every = np.zeros(len(KINDS)), np.zeros(len(KINDS))

    def add(self, arrays, hit):
        t = arrays["kind"][1:] > 0
        kinds, answers = arrays["kind"][1:][t] - 1, arrays["answer"][1:][t]
        whole = np.ones(answers.max() + 1, bool)
        whole[answers[~hit]] = False
        number, where = np.unique(answers, return_index=True)
        np.add.at(self.good, kinds[where], whole[number])
        np.add.at(self.every, kinds[where], 1)

    def shares(self):
        return {k: self.good[i] / self.every[i] for i, k in enumerate(KINDS) if self.every[i]}


def optimizer_for(model):
    """AdamW; what `start` has set finds things already and is changed more slowly."""
    calm = {id(p) for b in model.blocks[:3] for w in (b.q, b.k) for p in w.parameters()}
    calm |= {id(p) for m in (model.embed, model.patch, model.project, model.row, model.column) for p in m.parameters()}
    groups = [dict(params=[p for p in model.parameters() if (p.ndim == 2) == flat and (id(p) in calm) == slow],
                   weight_decay=0.01 if flat else 0.0, share=CALM if slow else 1.0)
              for flat in (True, False) for slow in (True, False)]
    return torch.optim.AdamW([g for g in groups if g["params"]], betas=(0.9, 0.95), fused=True)


def fresh(source, layers):
    torch.manual_seed(1)
    model = vision.Seer(Config(vocab=source.vocab, layers=layers))
    vision.start(model, source.word)
    return model, vision.fit_projector(model, vision.wanted(model, source.word))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--out", required=True, type=Path)
    a.add_argument("--tokenizer", required=True)
    a.add_argument("--layers", type=int, default=6)
    a.add_argument("--rate", type=float, default=6e-4)
    a.add_argument("--warmup", type=int, default=60)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--stage", help="go on with this stage, whatever the checkpoint says")
    a.add_argument("--steps", type=int, help="length of the last stage, over which the rate falls")
    a.add_argument("--minutes", type=float, help="in place of steps, the time over which the last stage's rate falls")
    o = a.parse_args()
    if o.steps:
        STAGES[-1]["steps"] = o.steps
    torch.set_num_threads(1)
    o.out.mkdir(parents=True, exist_ok=True)
    last, log = o.out / "checkpoint.pt", open(o.out / "log.txt", "a")

    def say(text):
        print(text, flush=True)
        print(text, file=log, flush=True)

    source = prompts.Source(o.tokenizer)
    step = stage = begun = 0
    if last.exists():
        state = torch.load(last, weights_only=False)
        model = vision.Seer(Config(**state["config"]))
        model.load_state_dict(state["model"])
        step, stage, begun = state["step"], state["stage"], state["begun"]
    else:
        model, error = fresh(source, o.layers)
        say(f"projector fitted, error {error:.4f}; {sum(p.numel() for p in model.parameters())} parameters")
    optimizer = optimizer_for(model)
    if last.exists() and "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])
    if o.stage:
        stage, begun = [s["name"] for s in STAGES].index(o.stage), step

    first = step

    def checkpoint():
        save(last, model=model.state_dict(), optimizer=optimizer.state_dict(), config=model.c.as_dict(), step=step,
             stage=stage, begun=begun)

    pool = ProcessPoolExecutor(1, initializer=_start, initargs=(o.tokenizer,))
    pending, score, loss_sum, tokens = [], Score(), 0.0, 0
    started = clock = saved = time.time()

    def done_share(step, begun, spec):
        return (time.time() - started) / 60 / o.minutes if o.minutes else (step - begun) / spec["steps"]

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    model.train()
    while not stop and stage < len(STAGES):
        spec = STAGES[stage]
        while len(pending) < 4:
            pending.append(pool.submit(_make, spec, (o.seed << 32) + step + len(pending)))
        arrays, places = pending.pop(0).result()
        rate = o.rate * min(1.0, (step - first + 1) / o.warmup)
        if spec.get("decay"):
            rate *= 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(1.0, done_share(step, begun, spec))))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        loss, hit = batch_loss(model, arrays, places)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        score.add(arrays, hit)
        loss_sum += loss.item()
        tokens += len(hit) and len(arrays["ids"])
        if step % 25 == 0:
            now, shares = time.time(), score.shares()
            say(f"{step} {spec['name']} loss {loss_sum / 25:.3f} rate {rate:.1e} {tokens / (now - clock):.0f} tok/s "
                f"{(now - started) / 60:.1f} min | " + " ".join(f"{k} {v:.3f}" for k, v in shares.items()))
            done = bool(spec["until"]) and all(shares.get(k, 0) >= v for k, v in spec["until"].items())
            score, loss_sum, tokens, clock = Score(), 0.0, 0, now
            if done or done_share(step, begun, spec) >= 1:
                stage, begun, pending = stage + 1, step, []
                checkpoint()
            elif now - saved > 90:
                checkpoint()
                saved = now
    checkpoint()
    pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
