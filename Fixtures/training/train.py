"""Trains the fixture model through the curriculum; resumes from the last checkpoint when there is one.

    python train.py --out RUN_DIRECTORY --tokenizer ../models/rag-mini.tokenizer.json
    python train.py --out RUN_DIRECTORY --tokenizer ../models/rag-mini.tokenizer.json \\
        --from-gguf FILE [--stage longer] --rate 6e-4 --warmup 100
"""

import argparse
import json
import math
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import data
from export import read_gguf
from model import Block, Config, Model, Span
from prime import prime

# The kind and the relation that need the most examples.
TWICE = ("reference", "director")

LONG = [dict(chunks=(3, 6), words=(25, 170), questions=16, bare=.1, twice=("reference",), weight=3),
        dict(chunks=(2, 6), bare=.1, twice=TWICE)]

# `early` is the weight of the lowest blocks' loss at references, `rate` a learning rate of the stage's own.
# Each stage ends when every kind listed in `until` reaches the share of wholly right answers, or after `steps`.
STAGES = [
    dict(name="recall-0", layers=4, length=256, rows=8, mix={"induction": .3, "recall": .7}, gap=0, until={"recall": .9},
         steps=1500),
    dict(name="recall-1", length=256, rows=8, mix={"induction": .1, "recall": .9}, gap=1, until={"recall": .9},
         steps=1000),
    dict(name="recall-3", length=256, rows=8, mix={"induction": .1, "recall": .9}, gap=3, until={"recall": .9},
         steps=1000),
    dict(name="task-bare", length=320, rows=6, mix={"recall": .3, "task": .7},
         task=[dict(chunks=(3, 6), filler=0, paraphrase=0, bare=0.5)], steps=1500,
         until={"fact": .87, "reference": .75, "hop": .75, "unknown": .75}),
    dict(name="task-some", layers=6, length=384, rows=5, mix={"recall": .1, "task": .9},
         task=[dict(chunks=(3, 6), filler=0.5, paraphrase=0.5, bare=0.2)], steps=1500,
         until={"fact": .9, "reference": .8, "hop": .8, "unknown": .85}),
    dict(name="bind", layers=8, length=384, rows=5, mix={"bind": .75, "task": .25}, task=[dict(chunks=(3, 6), twice=TWICE)],
         steps=1000, until={"other": .85}),
    dict(name="task-full", layers=8, length=512, rows=4, mix={"recall": .03, "bind": .3, "task": .67},
         task=[dict(chunks=(3, 6), filler=0.5, paraphrase=0.5, bare=0.2, twice=TWICE),
               dict(chunks=(4, 6), twice=TWICE), dict(chunks=(2, 6), bare=0.2, twice=TWICE)], steps=2500, until={}, decay=True),
    # Whole documents instead of packed rows from here on, since a long prompt would not leave room for another.
    dict(name="longer", tokens=3000, mix={"recall": .04, "bind": .16, "task": .8},
         task=[dict(chunks=(3, 6), words=(25, 70), questions=14, bare=.1, weight=3),
               dict(chunks=(2, 6), bare=.1, twice=TWICE)], steps=250, until={}, early=.3),
    dict(name="long", tokens=3000, mix={"recall": .02, "bind": .08, "task": .9}, task=LONG, steps=1700, until={},
         decay=True, early=.1),
    # Once answers are right, a heavier loss on the lowest blocks costs them nothing.
    dict(name="settle", tokens=3000, mix={"bind": .05, "task": .95}, task=LONG, steps=400, until={}, decay=True,
         rate=2.5e-4, early=.3),
]


def grow(model, layers):
    """Inserts blocks that do nothing yet (zero output projections) evenly between the present ones."""
    old = list(model.blocks)
    extra = layers - len(old)
    places = [round((i + 1) * len(old) / (extra + 1)) for i in range(extra)]
    blocks = []
    for i in range(len(old) + 1):
        for _ in range(places.count(i)):
            b = Block(model.c)
            b.apply(Model._init)
            torch.nn.init.zeros_(b.o.weight)
            torch.nn.init.zeros_(b.down.weight)
            blocks.append(b)
        if i < len(old):
            blocks.append(old[i])
    model.blocks = torch.nn.ModuleList(blocks)
    model.c.layers = layers


_source = None


def _start(path):
    global _source
    os.nice(5)
    _source = data.Source(path)


def _make(spec, seed):
    if "tokens" in spec:
        return data.document_batch(_source, spec, seed)
    return data.batch(_source, spec, spec["rows"], spec["length"], seed)


def mask_of(document, segment):
    """Additive attention mask: same document, not later, and the context or the same question."""
    d, s = torch.from_numpy(document), torch.from_numpy(segment)
    n = d.shape[1]
    seen = (d[:, :, None] == d[:, None, :]) & ((s[:, None, :] == 0) | (s[:, :, None] == s[:, None, :]))
    seen &= torch.ones(n, n, dtype=torch.bool).tril()
    return torch.zeros(seen.shape).masked_fill_(~seen, float("-inf"))[:, None]


def spans_of(places, segment):
    """What `mask_of` says, per document of one row."""
    s = torch.from_numpy(segment[0])
    spans = []
    for start, middle, end in places:
        own = s[middle:end, None] == s[None, middle:end]
        seen = torch.cat([torch.ones(end - middle, middle - start, dtype=torch.bool), own.tril()], dim=1)
        spans.append(Span(start, middle, end, torch.zeros(seen.shape).masked_fill_(~seen, float("-inf"))))
    return spans


def early(model, taps, referring):
    """How badly the lowest two blocks tell, at the telling tokens of a sentence that refers back, the name.

    Without it references are resolved half way up; in large models that begins in the lowest layers, where the
    deviation of stored values is looked at. The target is the name's own tokens in equal parts.
    """
    spots = torch.tensor([i for i, pieces, _ in referring for _ in pieces])
    wanted = torch.tensor([p for _, pieces, _ in referring for p in pieces])
    share = torch.tensor([weight / len(pieces) for _, pieces, weight in referring for _ in pieces])
    losses = []
    for x in taps[:2]:
        logits = model.logits(model.norm(x[0, spots])).float()
        losses.append((F.cross_entropy(logits, wanted, reduction="none") * share).sum() / share.sum())
    return losses


def native_bfloat16():
    """Whether this processor has BF16 instructions; without them autocast is several times slower than FP32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def optimizer_for(model, rate):
    matrices = [p for p in model.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if p.ndim != 2]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}],
                             lr=rate, betas=(0.9, 0.95), fused=True)


def save(path, **state):
    torch.save(state, str(path) + ".tmp")
    os.replace(str(path) + ".tmp", path)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--out", required=True, type=Path)
    a.add_argument("--tokenizer", required=True)
    a.add_argument("--rate", type=float, default=7e-4)
    a.add_argument("--warmup", type=int, default=150)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--threads", type=int, default=1)
    a.add_argument("--dtype", choices=("auto", "fp32", "bf16"), default="auto")
    a.add_argument("--from-gguf", help="begin `longer` with this file's weights when there is no checkpoint")
    a.add_argument("--stage", help="go on with this stage, whatever the checkpoint says")
    a.add_argument("--steps", type=int, help="length of the last stage, over which the rate falls")
    a.add_argument("--minutes", type=float, default=1e9)
    o = a.parse_args()
    if o.steps:
        STAGES[-1]["steps"] = o.steps
    o.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    last = o.out / "checkpoint.pt"

    names = [s["name"] for s in STAGES]
    model = Model(Config(vocab=data.Source(o.tokenizer).vocab, layers=STAGES[0]["layers"]))
    prime(model)
    step, stage, begun = 0, 0, 0
    if o.from_gguf:
        model, stage = read_gguf(o.from_gguf), names.index("longer")
    optimizer = optimizer_for(model, o.rate)
    bf16 = native_bfloat16() if o.dtype == "auto" else o.dtype == "bf16"
    if last.exists():
        state = torch.load(last, weights_only=False)
        model = Model(Config(**state["config"]))
        model.load_state_dict(state["model"])
        optimizer = optimizer_for(model, o.rate)
        optimizer.load_state_dict(state["optimizer"])
        step, stage, begun = state["step"], state["stage"], state["begun"]
    if o.stage:
        stage, begun = names.index(o.stage), step
    log = open(o.out / "log.txt", "a")

    def say(text):
        print(text, flush=True)
        print(text, file=log, flush=True)

    pool = ProcessPoolExecutor(1, initializer=_start, initargs=(o.tokenizer,))
    pending = []
    right, total, loss_sum, tokens = np.zeros(6), np.zeros(6), 0.0, 0
    early_sum = np.zeros(3)
    good, every = np.zeros(6), np.zeros(6)
    started = clock = saved = time.time()

    def checkpoint():
        save(last, model=model.state_dict(), optimizer=optimizer.state_dict(), config=model.c.as_dict(), step=step,
             stage=stage, begun=begun)

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    while not stop and stage < len(STAGES) and (time.time() - started) / 60 < o.minutes:
        spec = STAGES[stage]
        if spec.get("layers", 0) > model.c.layers:
            grow(model, spec["layers"])
            fresh = optimizer_for(model, o.rate)
            for p, v in optimizer.state.items():
                fresh.state[p] = v
            optimizer = fresh
            say(f"grown to {model.c.layers} layers")
        while len(pending) < 6:
            n = step + len(pending)
            pending.append(pool.submit(_make, spec, (o.seed << 32) + n))
        made = pending.pop(0).result()
        referring = []
        if "tokens" in spec:
            (ids, positions, segment, kind, answer), places, referring = made
            mask = spans_of(places, segment)
        else:
            ids, positions, document, segment, kind, answer = made
            mask = mask_of(document, segment)
        rate = spec.get("rate", o.rate) * min(1.0, (step + 1) / o.warmup)
        if spec.get("decay"):
            rate *= 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - begun) / spec["steps"])))
        for g in optimizer.param_groups:
            g["lr"] = rate
        x = torch.from_numpy(ids)
        targets = torch.from_numpy(kind[:, 1:] > 0)
        taps = [] if referring and spec.get("early") else None
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            hidden = model(x, torch.from_numpy(positions), mask, taps)
            logits = model.logits(hidden[:, :-1][targets])
        logits = logits.float()
        want = x[:, 1:][targets]
        loss = F.cross_entropy(logits, want)
        loss_sum += loss.item()
        if taps:
            lowest = early(model, taps, referring)
            early_sum += np.array([v.item() for v in lowest] + [1])
            loss = loss + spec["early"] * sum(lowest) / len(lowest)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1

        hit = (logits.detach().argmax(-1) == want).numpy()
        t = targets.numpy()
        kinds, answers = kind[:, 1:][t] - 1, answer[:, 1:][t]
        np.add.at(right, kinds, hit)
        np.add.at(total, kinds, 1)
        whole = np.ones(answers.max() + 1, bool)
        whole[answers[~hit]] = False
        number, where = np.unique(answers, return_index=True)
        np.add.at(good, kinds[where], whole[number])
        np.add.at(every, kinds[where], 1)
        tokens += x.numel()
        if step % 25 == 0:
            now = time.time()
            share = {n: good[i] / every[i] for i, n in enumerate(data.KIND_NAMES) if every[i]}
            token = {n: right[i] / total[i] for i, n in enumerate(data.KIND_NAMES) if total[i]}
            low = "".join(f" {v / early_sum[2]:.2f}" for v in early_sum[:2] if early_sum[2])
            say(f"{step} {spec['name']} loss {loss_sum / 25:.3f}{low and ' early' + low} rate {rate:.1e} "
                f"{tokens / (now - clock):.0f} tok/s {(now - started) / 60:.1f} min | " +
                " ".join(f"{n} {share[n]:.3f} ({token[n]:.3f})" for n in share))
            done = bool(spec["until"]) and all(share.get(k, 0) >= v for k, v in spec["until"].items())
            right[:], total[:], good[:], every[:] = 0, 0, 0, 0
            loss_sum, early_sum[:], tokens, clock = 0.0, 0, 0, now
            if done or step - begun >= spec["steps"]:
                stage, begun, pending = stage + 1, step, []
                checkpoint()
            elif now - saved > 90:
                checkpoint()
                saved = now
    checkpoint()
    pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
