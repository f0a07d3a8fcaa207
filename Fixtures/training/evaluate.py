"""Measures a checkpoint: exact match per kind under full prefill, and what reuse of chunks does to it.

    python evaluate.py MODEL ../models/rag-mini.tokenizer.json [--suite short long] [--questions 1000] [--reuse 250]

MODEL is a checkpoint or a GGUF file. Suite `short` has reports of two to five sentences, `long` reports of about 60 to 250
tokens and prompts past 1,200. Questions of kind `reference` are asked only where more than one report refers with the
relation, so that the relation does not give the answer away.

An answer is right when greedy decoding would give it letter for letter, the end token included: that is so exactly
when every one of its tokens is the most likely one behind the right tokens before it, which needs one pass only.
"""

import argparse
import random

import numpy as np
import torch
import torch.nn.functional as F

import data
import world
from export import load_model, read_gguf
from model import angles, rotate

HELD_OUT = 20_000_003
SUITES = ("short", "long")
WAYS = ("full prefill", "naive reuse", "random 15 %", "deviation 15 % at layer 1", "deviation 15 % at layer 2",
        "deviation 15 % at layer 4", "deviation 30 % at layer 1", "all recomputed")


def layout(source, prompt, questions):
    """One row: ids, positions, segment (0 the context, n a question), chunk (-1 outside), referring (the tokens
    of references), answers as (from, to)."""
    ids = [source.bos] + (source.t.encode(prompt.system).ids if prompt.system else [])
    chunk = [-1] * len(ids)
    spots = []
    for i, text in enumerate(prompt.contexts):
        part = source.t.encode(text).ids
        spots += [len(ids) + s for report, sentence, _, _ in prompt.references if report == i
                  for s in source.sentence(text, sentence)]
        ids += part
        chunk += [i] * len(part)
    n = len(ids)
    positions, segment, answers = list(range(n)), [0] * n, []
    for number, q in enumerate(questions):
        head, tail = source.t.encode(q.text).ids, source.t.encode(q.answer).ids + [source.eos]
        answers.append((len(ids) + len(head), len(ids) + len(head) + len(tail)))
        part = head + tail
        ids += part
        positions += range(n, n + len(part))
        segment += [number + 1] * len(part)
        chunk += [-1] * len(part)
    referring = torch.zeros(len(ids), dtype=torch.bool)
    referring[spots] = True
    return (torch.tensor(ids), torch.tensor(positions), torch.tensor(segment), torch.tensor(chunk), referring, answers)


def visible(segment, chunk=None):
    """Which keys a query sees; with `chunk`, chunks do not see one another."""
    n = len(segment)
    seen = torch.ones(n, n, dtype=torch.bool).tril()
    seen &= (segment[None, :] == 0) | (segment[:, None] == segment[None, :])
    if chunk is not None:
        seen &= (chunk[:, None] < 0) | (chunk[None, :] < 0) | (chunk[:, None] == chunk[None, :])
    return seen


@torch.no_grad()
def forward(model, ids, positions, seen, stored=None, computed=None, ratio=None, context=None, keep=None,
            layer=1, chosen=None):
    """Logits of one row.

    `stored` holds per layer the keys (not rotated) and values to use where `computed` is false. With `ratio`, the
    layers below `layer` are computed for every token and the share of `context` tokens whose value at `layer` deviates
    most is computed from there on. `keep` (a list) receives each layer's keys and values, `chosen` what was computed.
    """
    cos, sin = angles(model.c, positions)
    x = model.embed(ids[None])
    for i, block in enumerate(model.blocks):
        q, k, v = block.qkv(x)
        if stored is not None:
            old_k, old_v = stored[i]
            if ratio is not None and i == layer:
                deviation = (v - old_v).pow(2).sum((0, 1, 3))
                deviation[~context] = -1
                most = deviation.topk(round(ratio * context.sum().item())).indices
                computed = ~context
                computed[most] = True
                if chosen is not None:
                    chosen.append(computed)
            if ratio is None or i >= layer:
                k = torch.where(computed[None, None, :, None], k, old_k)
                v = torch.where(computed[None, None, :, None], v, old_v)
        if keep is not None:
            keep.append((k, v))
        x = block.attend(x, rotate(q, cos, sin), rotate(k, cos, sin), v, seen[None, None])
    return model.logits(model.norm(x))[0]


def right(logits, ids, answers):
    best = logits.argmax(-1)
    return [bool((best[a - 1:b - 1] == ids[a:b]).all()) for a, b in answers]


def held_out(seed, kinds_wanted, suite="short"):
    """Prompts of 4–6 reports with the questions still wanted of each kind."""
    rng = random.Random(seed + SUITES.index(suite) * 1000)
    left = dict(kinds_wanted)
    while any(left.values()):
        p = world.draw(rng, chunks=rng.randint(4, 6)) if suite == "short" else \
            world.draw_long(rng, chunks=rng.choice((4, 5, 6, 6)), words=(50, 170))
        chosen = []
        for kind in world.KINDS:
            of_kind = [q for q in p.questions if q.kind == kind] if kind != "reference" else world.contested(p)
            rng.shuffle(of_kind)
            of_kind = of_kind[:min(2 if suite == "short" else 3, left[kind])]
            left[kind] -= len(of_kind)
            chosen += of_kind
        if chosen:
            yield p, chosen


def full(model, source, questions, suite, seed=HELD_OUT, wrong=None):
    counts = {k: [0, 0] for k in world.KINDS}
    relations, lengths = {}, []
    for p, chosen in held_out(seed, {k: questions for k in world.KINDS}, suite):
        ids, positions, segment, chunk, _, answers = layout(source, p, chosen)
        logits = forward(model, ids, positions, visible(segment))
        lengths.append(int((segment == 0).sum()))
        for q, ok, (a, b) in zip(chosen, right(logits, ids, answers), answers):
            counts[q.kind][0] += ok
            counts[q.kind][1] += 1
            r = relations.setdefault((q.kind, q.relation), [0, 0])
            r[0] += ok
            r[1] += 1
            if not ok and wrong is not None:
                wrong.append((p, q, source.t.decode(logits[a - 1:b - 1].argmax(-1).tolist())))
    return counts, relations, lengths


def reuse(model, source, questions, suite, seed=HELD_OUT + 1):
    """Exact match and divergence from full prefill for several ways to put stored chunks together, and the share of
    the referring tokens that each computes anew."""
    ways = {w: {} for w in WAYS}
    rng = torch.Generator().manual_seed(5)
    divergence = {w: [0.0, 0] for w in ways}
    anew = {w: [0, 0] for w in ways}
    for p, chosen in held_out(seed, {k: questions for k in world.KINDS}, suite):
        ids, positions, segment, chunk, referring, answers = layout(source, p, chosen)
        seen = visible(segment)
        context = chunk >= 0
        # Every chunk alone, at the positions right behind [BOS] + system.
        alone = positions.clone()
        prefix = int((chunk < 0)[segment == 0].sum())
        for i in range(len(p.contexts)):
            alone[chunk == i] = torch.arange(prefix, prefix + int((chunk == i).sum()))
        stored = []
        forward(model, ids, alone, visible(segment, chunk), keep=stored)
        asked = segment > 0
        exact = None
        for way in ways:
            computed = ~context
            if way == "full prefill":
                logits = forward(model, ids, positions, seen)
                computed = torch.ones_like(context)
            elif way.startswith("deviation"):
                picked = []
                logits = forward(model, ids, positions, seen, stored, ratio=int(way.split()[1]) / 100, context=context,
                                 layer=int(way.split()[-1]), chosen=picked)
                computed = picked[0]
            else:
                if way == "all recomputed":
                    computed = torch.ones_like(context)
                elif way.startswith("random"):
                    spots = context.nonzero()[:, 0]
                    share = round(int(way.split()[1]) / 100 * len(spots))
                    computed[spots[torch.randperm(len(spots), generator=rng)[:share]]] = True
                logits = forward(model, ids, positions, seen, stored, computed)
            anew[way][0] += int((computed & referring).sum())
            anew[way][1] += int(referring.sum())
            if exact is None:
                exact = logits
            d = F.kl_div(logits[asked].log_softmax(-1), exact[asked].log_softmax(-1), log_target=True,
                         reduction="none").sum(-1)
            divergence[way][0] += d.sum().item()
            divergence[way][1] += len(d)
            for q, ok in zip(chosen, right(logits, ids, answers)):
                c = ways[way].setdefault(q.kind, [0, 0])
                c[0] += ok
                c[1] += 1
    return ways, divergence, anew


def show_reuse(model, source, questions, suite):
    ways, divergence, anew = reuse(model, source, questions, suite)
    print(f"\n| {suite} suite, {questions} questions of each kind | " + " | ".join(world.KINDS) +
          " | KL | referring tokens anew |")
    print("|---|" + "---|" * (len(world.KINDS) + 2))
    for way, per in ways.items():
        total, n = divergence[way]
        print(f"| {way} | " + " | ".join(f"{per[k][0] / per[k][1]:.3f}" for k in world.KINDS) +
              f" | {total / n:.4f} | {anew[way][0] / anew[way][1]:.2f} |", flush=True)


def show_full(model, source, questions, suite, by_relation, shown):
    wrong = []
    counts, relations, lengths = full(model, source, questions, suite, wrong=wrong)
    print(f"{suite} suite, full prefill, {questions} questions of each kind, prompts of {min(lengths)} to "
          f"{max(lengths)} tokens (median {sorted(lengths)[len(lengths) // 2]}, "
          f"{sum(n > 1200 for n in lengths)} of {len(lengths)} past 1,200)")
    for kind, (ok, n) in counts.items():
        print(f"  {kind:10} {ok / n:.3f}", flush=True)
    if by_relation:
        for (kind, relation), (ok, n) in sorted(relations.items()):
            print(f"    {kind:10} {relation:18} {ok / n:.3f} of {n}")
    for p, q, said in random.Random(0).sample(wrong, min(shown, len(wrong))):
        print("-" * 20, "\n" + "".join(p.contexts) + q.text, "|", q.answer, "|", said)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("model")
    a.add_argument("tokenizer")
    a.add_argument("--suite", choices=SUITES, nargs="+", default=SUITES)
    a.add_argument("--questions", type=int, default=1000)
    a.add_argument("--reuse", type=int, default=250)
    a.add_argument("--threads", type=int, default=1)
    a.add_argument("--relations", action="store_true")
    a.add_argument("--wrong", type=int, default=0)
    o = a.parse_args()
    torch.set_num_threads(o.threads)
    model = read_gguf(o.model).eval() if o.model.endswith(".gguf") else load_model(o.model)
    source = data.Source(o.tokenizer)
    for suite in o.suite:
        if o.questions:
            show_full(model, source, o.questions, suite, o.relations, o.wrong)
        if o.reuse:
            show_reuse(model, source, o.reuse, suite)


if __name__ == "__main__":
    main()
