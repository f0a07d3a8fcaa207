"""A start for training: layer 0 looks a fixed few tokens back, layer 1 finds earlier occurrences and copies.

Random starts spend most of their training before such heads have formed. Everything set here is trained on.
"""

import math

import torch


@torch.no_grad()
def prime(model):
    c, d = model.c, model.c.head_dim
    half = d // 2
    theta = 1.0 / (c.theta ** (torch.arange(half).float() / half))
    g = torch.Generator().manual_seed(11)
    model.embed.weight[:, 0] = 0.6          # a constant that every token carries
    constant = 0.6 / math.hypot(0.6, 0.05 * 16) * 16

    # Directions: one random projection of tokens, and an orthonormal place for each offset.
    draw = torch.randn(c.width, c.width - 1, generator=g)
    draw[0] = 0                             # clear of the constant
    basis = torch.linalg.qr(draw)[0]
    p = basis[:, :d].T
    place = [basis[:, (i + 1) * d:(i + 2) * d] for i in range(4)]
    for b in model.blocks:                  # the other parts begin quietly
        b.o.weight *= 0.2
        b.down.weight *= 0.2

    b = model.blocks[0]
    q, k, v, o = (w.weight for w in (b.q, b.k, b.v, b.o))
    fast = 8                                # the frequencies that tell neighbours apart
    strength = 25.0
    for kv in (0, 1):
        k[kv * d:(kv + 1) * d] = 0
        k[kv * d:kv * d + fast, 0] = math.sqrt(strength) / constant
        v[kv * d:(kv + 1) * d] = p
    for head, offset in enumerate((1, 2, 3, 4)):
        rows = slice(head * d, (head + 1) * d)
        q[rows] = 0
        phase = theta[:fast] * offset       # the query is turned back by `offset`, so the best key lies there
        q[head * d:head * d + fast, 0] = phase.cos() * math.sqrt(strength) / constant
        q[head * d + half:head * d + half + fast, 0] = -phase.sin() * math.sqrt(strength) / constant
        o[:, rows] = 0.15 * place[head]

    b = model.blocks[1]
    q, k, v, o = (w.weight for w in (b.q, b.k, b.v, b.o))
    slow = torch.tensor([i for i in range(d) if i % half >= half // 2])   # hardly turned within a prompt
    for kv, (sought, held) in enumerate(((None, 0), (1, 2))):
        rows = slice(kv * d, (kv + 1) * d)
        copy = torch.randn(d, c.width, generator=g) / 16
        copy[:, 0] = 0
        v[rows] = copy
        k[rows] = 0
        k[kv * d + slow] = 2.2 * place[held].T[slow]
        for head in (2 * kv, 2 * kv + 1):
            q[head * d:(head + 1) * d] = 0
            q[head * d + slow] = 2.2 * (p if sought is None else place[sought].T)[slow]
            o[:, head * d:(head + 1) * d] = 0.5 * copy.T
