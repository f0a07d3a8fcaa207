"""Measures a checkpoint: exact match per kind under full prefill, and what reuse of chunks does to it.

    python evaluate.py RUN_DIRECTORY/checkpoint.pt ../models/rag-mini.tokenizer.json [--questions 1000] [--reuse 300]

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
from export import load_model
from model import angles, rotate

HELD_OUT = 20_000_003


def layout(source, prompt, questions):
    """One row: ids, positions, segment (0 the context, n a question), chunk (-1 outside), answers as (from, to)."""
    ids = [source.bos] + (source.t.encode(prompt.system).ids if prompt.system else [])
    chunk = [-1] * len(ids)
    for i, text in enumerate(prompt.contexts):
        part = source.t.encode(text).ids
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
    return (torch.tensor(ids), torch.tensor(positions), torch.tensor(segment), torch.tensor(chunk), answers)


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
            layer=1):
    """Logits of one row.

    `stored` holds per layer the keys (not rotated) and values to use where `computed` is false. With `ratio`, the
    layers below `layer` are computed for every token and the share of `context` tokens whose value at `layer` deviates
    most is computed from there on. `keep` (a list) receives each layer's keys and values.
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


def held_out(seed, kinds_wanted):
    """Prompts of 4–6 reports with the questions still wanted of each kind."""
    rng = random.Random(seed)
    left = dict(kinds_wanted)
    while any(left.values()):
        p = world.draw(rng, chunks=rng.randint(4, 6))
        chosen = []
        for kind in world.KINDS:
            of_kind = [q for q in p.questions if q.kind == kind]
            rng.shuffle(of_kind)
            of_kind = of_kind[:min(2, left[kind])]
            left[kind] -= len(of_kind)
            chosen += of_kind
        if chosen:
            yield p, chosen


def full(model, source, questions, seed=HELD_OUT, wrong=None):
    counts = {k: [0, 0] for k in world.KINDS}
    relations, lengths = {}, []
    for p, chosen in held_out(seed, {k: questions for k in world.KINDS}):
        ids, positions, segment, chunk, answers = layout(source, p, chosen)
        logits = forward(model, ids, positions, visible(segment))
        lengths.append(int(positions.max()) + 1)
        for q, ok, (a, b) in zip(chosen, right(logits, ids, answers), answers):
            counts[q.kind][0] += ok
            counts[q.kind][1] += 1
            r = relations.setdefault((q.kind, q.relation), [0, 0])
            r[0] += ok
            r[1] += 1
            if not ok and wrong is not None:
                wrong.append((p, q, source.t.decode(logits[a - 1:b - 1].argmax(-1).tolist())))
    return counts, relations, lengths


def reuse(model, source, questions, seed=HELD_OUT + 1):
    """Exact match and divergence from full prefill for several ways to put stored chunks together."""
    ways = {w: {} for w in ("full prefill", "naive reuse", "random 15 %", "random 30 %", "deviation 15 % at layer 1",
                            "deviation 30 % at layer 1", "deviation 15 % at layer 2", "deviation 15 % at layer 3",
                            "deviation 15 % at layer 4", "deviation 30 % at layer 4", "all recomputed")}
    rng = torch.Generator().manual_seed(5)
    divergence = {w: [0.0, 0] for w in ways}
    for p, chosen in held_out(seed, {k: questions for k in world.KINDS}):
        ids, positions, segment, chunk, answers = layout(source, p, chosen)
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
            if way == "full prefill":
                logits = forward(model, ids, positions, seen)
            elif way.startswith("deviation"):
                logits = forward(model, ids, positions, seen, stored, ratio=int(way.split()[1]) / 100, context=context,
                                 layer=int(way.split()[-1]))
            else:
                computed = ~context
                if way == "all recomputed":
                    computed = torch.ones_like(context)
                elif way.startswith("random"):
                    spots = context.nonzero()[:, 0]
                    computed[spots[torch.randperm(len(spots), generator=rng)[:round(int(way.split()[1]) / 100 * len(spots))]]] = True
                logits = forward(model, ids, positions, seen, stored, computed)
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
    return ways, divergence


def show_reuse(model, source, questions):
    ways, divergence = reuse(model, source, questions)
    print(f"\n| way, {questions} questions of each kind | " + " | ".join(world.KINDS) + " | KL |")
    print("|---|" + "---|" * (len(world.KINDS) + 1))
    for way, per in ways.items():
        total, n = divergence[way]
        print(f"| {way} | " + " | ".join(f"{per[k][0] / per[k][1]:.3f}" for k in world.KINDS) + f" | {total / n:.4f} |")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("checkpoint")
    a.add_argument("tokenizer")
    a.add_argument("--questions", type=int, default=1000)
    a.add_argument("--reuse", type=int, default=300)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--relations", action="store_true")
    a.add_argument("--wrong", type=int, default=0)
    o = a.parse_args()
    torch.set_num_threads(o.threads)
    model, source = load_model(o.checkpoint), data.Source(o.tokenizer)
    wrong = []
    if not o.questions:
        return show_reuse(model, source, o.reuse)
    counts, relations, lengths = full(model, source, o.questions, wrong=wrong)
    print(f"full prefill, {o.questions} questions of each kind, 4-6 reports, prompts of at most {max(lengths)} tokens "
          f"(median {sorted(lengths)[len(lengths) // 2]})")
    for kind, (ok, n) in counts.items():
        print(f"  {kind:10} {ok / n:.3f}")
    if o.relations:
        for (kind, relation), (ok, n) in sorted(relations.items()):
            print(f"    {kind:10} {relation:18} {ok / n:.3f} of {n}")
    for p, q, said in random.Random(0).sample(wrong, min(o.wrong, len(wrong))):
        print("-" * 20, "\n" + "".join(p.contexts) + q.text, "|", q.answer, "|", said)
    if o.reuse:
        show_reuse(model, source, o.reuse)


if __name__ == "__main__":
    main()
