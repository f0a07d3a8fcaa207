"""The model: the parent folder's Llama with a projector of patches in front, and what it starts from."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import questions
import screens
from model import Config, Model, angles

CELLS, PIXELS, HIDDEN = screens.GRID ** 2, screens.TILE ** 2 * 3, 256
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
# Directions: a constant that every token carries, and what digits, ordinals and counts, items, and opened items do.
CONSTANT, DIGIT, WHEN, ITEM, OPENED = range(5)
SET = 5
# Weights of layer 2's queries: the screen's number, the item, the rest, and the rest less when "new" is said.
SPOKEN_QUERY, NEW_QUERY = (3.2, 9.0, 5.0), (1.0, 7.0, 14.0, 12.0)


def pixels(tiles):
    """Tiles as the projector's input: bytes to 0..1, normalised, flattened as y, x, rgb."""
    x = torch.from_numpy(np.ascontiguousarray(tiles)).float() / 255
    return ((x - torch.tensor(MEAN)) / torch.tensor(STD)).flatten(1)


class Seer(Model):
    def __init__(self, c):
        super().__init__(c)
        self.patch = nn.Linear(PIXELS, HIDDEN)
        self.project = nn.Linear(HIDDEN, c.width)
        self.row = nn.Embedding(screens.GRID, c.width)
        self.column = nn.Embedding(screens.GRID, c.width)
        self.register_buffer("tiles", pixels(screens.TILES), persistent=False)
        nn.init.zeros_(self.patch.bias)
        nn.init.zeros_(self.project.bias)
        for part in (self.row, self.column):
            nn.init.normal_(part.weight, std=0.01)

    def places(self):
        """Position embeddings of all cells."""
        return (self.row.weight[:, None] + self.column.weight[None]).reshape(CELLS, -1)

    def see(self, tiles):
        """Projected tiles, by index, without their cell."""
        return self.project(F.gelu(self.patch(self.tiles[tiles]), approximate="tanh"))

    def embed_all(self, ids, tiles, cells):
        """`ids` (tokens) where `tiles` is -1, else the patch `tiles` at `cells`."""
        x = self.embed(ids)
        at = (tiles >= 0).nonzero().squeeze(-1)
        kinds, each = tiles[at].unique(return_inverse=True)
        return x.index_copy(0, at, self.see(kinds)[each] + self.places()[cells[at]])

    def forward(self, x, positions, mask=None, taps=None):
        """Hidden states after the last norm from embeddings x (batch, tokens, width)."""
        cos, sin = angles(self.c, positions)
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
        for b in self.blocks:
            if taps is not None:
                taps.append(x)
            x = b(x, cos, sin, mask)
        if taps is not None:
            taps.append(x)
        return self.norm(x)


@dataclass
class Bases:
    """Orthonormal directions, clear of the set ones: a projection of tokens, a place for each look back, for the number
    of the screen that a token is on, for the cell's row and column, and for the screen that a question speaks of."""
    token: torch.Tensor
    back: list
    screen: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    spoken: torch.Tensor


def bases(c, g):
    d = c.head_dim
    draw = torch.randn(c.width, c.width - SET, generator=g)
    draw[:SET] = 0
    q = torch.linalg.qr(draw)[0]
    return Bases(q[:, :d], [q[:, (i + 1) * d:(i + 2) * d] for i in range(5)], q[:, 192:224], q[:, 224:234], q[:, 234:244],
                 q[:, 244:245 + len(questions.ORDINALS)])


def turned(w, offset, theta):
    """Rows of a query matrix turned back, so that keys `offset` tokens before fit best."""
    half = len(w) // 2
    a, b = w[:half], w[half:]
    cos, sin = (theta * offset).cos()[:, None], (theta * offset).sin()[:, None]
    return torch.cat([a * cos + b * sin, b * cos - a * sin])


def apart(count, size, g, steps=400):
    """`count` unit vectors of `size` numbers, well apart from one another."""
    with torch.enable_grad():
        x = torch.randn(count, size, generator=g, requires_grad=True)
        optimizer = torch.optim.Adam([x], lr=0.05)
        for _ in range(steps):
            u = F.normalize(x, dim=1)
            loss = (12 * (u @ u.T - 2 * torch.eye(count))).logsumexp((0, 1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return F.normalize(x, dim=1).detach()


@torch.no_grad()
def start(model, words):
    """Heads of the lowest three layers, in the manner of the parent folder's `prime`. Layer 0 looks back by 1 to 5
    tokens and to the screen's number. Layer 1 copies what stood behind an earlier occurrence, finds row and column of
    the patch whose colour, name and screen are asked for, the ordinal or count of the question, and for each patch the
    screens that have the same item. Layer 2 finds the opened item of the screen that the question speaks of.

    `words` gives the id of a word's token. The projector is fitted to `wanted` afterwards.
    """
    c, d = model.c, model.c.head_dim
    half = d // 2
    theta = 1.0 / (c.theta ** (torch.arange(half).float() / half))
    g = torch.Generator().manual_seed(11)
    base = bases(c, g)
    digits = [words(str(i)) for i in range(screens.GRID)]
    model.embed.weight[:, CONSTANT] = 0.6
    model.embed.weight[:, DIGIT:SET] = 0
    model.embed.weight[digits, DIGIT] = 0.6
    for number, word in enumerate(questions.ORDINALS + ("new",)):
        model.embed.weight[words(word)] += 0.5 * base.spoken[:, number]
    for word in questions.ORDINALS + questions.COUNTS + ("new",):
        model.embed.weight[words(word), WHEN] = 0.6
    # Colours and names differ well in the part of their projection that the cells are found by.
    content = [8, 9, 10, 11, 12, 13, 8 + half, 9 + half, 10 + half, 11 + half, 12 + half, 13 + half]
    frame = [14, 15, 14 + half, 15 + half]
    named = [words(w) for w in (*screens.COLOURS, *screens.LABELS, *screens.ICONS)]
    part = base.token[:, content]
    e = model.embed.weight
    e[named] += (0.35 * apart(len(named), len(content), g) - e[named] @ part) @ part.T
    # All tokens are equally long, so that the constant weighs the same in each.
    e[:, DIGIT:] = 0.8 * F.normalize(e[:, DIGIT:], dim=1)
    model.row.weight.copy_(0.3 * base.row.T)
    model.column.weight.copy_(0.3 * base.column.T)
    constant = 0.6 / math.hypot(0.6, 0.05 * 16) * 16
    for b in model.blocks:
        b.o.weight *= 0.2
        b.down.weight *= 0.2

    b = model.blocks[0]
    q, k, v, o = (w.weight for w in (b.q, b.k, b.v, b.o))
    fast, strength = 8, 36.0
    for kv in (0, 1, 2):
        rows = slice(kv * d, (kv + 1) * d)
        k[rows] = 0
        k[kv * d:kv * d + fast, 0] = math.sqrt(strength) / constant
        v[rows] = base.token.T
    for head, offset in enumerate((1, 2, 3, 4, 5)):
        rows = slice(head * d, (head + 1) * d)
        w = torch.zeros(d, c.width)
        w[:fast, 0] = math.sqrt(strength) / constant
        q[rows] = turned(w, offset, theta)
        o[:, rows] = 0.15 * base.back[head]
    # The screen's number: the digit that is nearest before.
    k[3 * d:] = 0
    v[3 * d:] = base.token.T
    for i, weight in ((8, 6.0), (9, 5.0), (14, 3.0), (15, 3.0)):
        k[3 * d + i, DIGIT] = weight / constant
    for head in (6, 7):
        rows = slice(head * d, (head + 1) * d)
        w = torch.zeros(d, c.width)
        for i in (8, 9, 14, 15):
            w[i, 0] = 10.0 / constant
        q[rows] = w
        o[:, rows] = 0.075 * base.screen

    # "two steps ago" on screen 5 becomes what "third" is.
    counts = torch.linalg.pinv(e[[words(w) for w in questions.COUNTS]])
    shown = 0.15 * F.normalize(e[digits], dim=1) * 16 @ base.token      # what a token gets of each screen's number
    numbers = base.screen @ torch.linalg.pinv(shown)
    unit = 0
    for steps in range(1, len(questions.COUNTS) + 1):
        for number in range(steps + 1, len(questions.COUNTS) + 2):
            b.gate.weight[unit] = 8 / 9 * (counts[:, steps - 1] + numbers[:, number])
            b.gate.weight[unit, 0] -= 12 / 9 / 0.6
            b.up.weight[unit] = 0
            b.up.weight[unit, 0] = 1 / 9 / 0.6
            b.down.weight[:, unit] = 0.5 / 4 * base.spoken[:, number - steps - 1]
            unit += 1

    b = model.blocks[1]
    q, k, v, o = (w.weight for w in (b.q, b.k, b.v, b.o))
    slow = torch.tensor([i for i in range(d) if i % half >= half // 2])
    # Copying behind an earlier occurrence of this token.
    rows = slice(0, d)
    copy = torch.randn(d, c.width, generator=g) / 16
    copy[:, :SET] = 0
    v[rows] = copy
    k[rows] = 0
    k[slow] = 2.2 * base.back[0].T[slow]
    for head in (0, 1):
        q[head * d:(head + 1) * d] = 0
        q[head * d + slow] = 2.2 * base.token.T[slow]
        o[:, head * d:(head + 1) * d] = 0.12 * copy.T
    # Cells: " row" stands two and three tokens behind name and colour, " column" four and five.
    kv = 1
    rows = slice(kv * d, (kv + 1) * d)
    k[rows] = 0
    spread = apart(7, len(frame), g)
    number = spread.T @ numbers.T[1:8]
    k[kv * d + torch.tensor(content)] = 1.6 * part.T
    k[kv * d + torch.tensor(frame)] = 0.8 * number
    v[rows] = 0
    v[kv * d:kv * d + 10] = base.row.T
    v[kv * d + 10:kv * d + 20] = base.column.T
    for head, (name, colour), first in ((2, (1, 2), 0), (3, (3, 4), 10)):
        w = torch.zeros(d, c.width)
        w[content] = 1.6 * (base.back[name].T + base.back[colour].T)[content]
        w[frame] = 0.8 * number
        q[head * d:(head + 1) * d] = turned(w, 85, theta)
        o[:, head * d:(head + 1) * d] = 0
        o[:, head * d + first:head * d + first + 10] = 0.4 * model.embed.weight[digits].T
        o[:SET, head * d:(head + 1) * d] = 0
    # The question's ordinal or count.
    kv = 2
    rows = slice(kv * d, (kv + 1) * d)
    late = torch.tensor([14, 15, 14 + half, 15 + half])     # hardly turned at all
    k[rows] = 0
    k[kv * d + late, WHEN] = 9.0 / constant
    v[rows] = 0
    v[kv * d:kv * d + base.spoken.shape[1]] = base.spoken.T
    w = torch.zeros(d, c.width)
    w[late, 0] = 7.0 / constant
    q[4 * d:5 * d] = w
    o[:, 4 * d:5 * d] = 0
    o[:, 4 * d:4 * d + base.spoken.shape[1]] = 0.2 * base.spoken
    # The screens with the same item, the token's own among them.
    kv = 3
    rows = slice(kv * d, (kv + 1) * d)
    k[rows] = 0
    k[kv * d + torch.tensor(content)] = 2.2 * part.T
    v[rows] = base.screen.T
    q[6 * d:7 * d] = 0
    q[6 * d + torch.tensor(content)] = 2.2 * part.T
    o[:, 6 * d:7 * d] = 0.3 * base.back[4]

    # In layer 2 each dimension has a meaning: a screen's number, being opened or any item, and a resting place, the
    # digits, for when nothing of the kind is asked for.
    b = model.blocks[2]
    q, k, v, o = (w.weight for w in (b.q, b.k, b.v, b.o))
    frames = [10, 11, 12, 13, 10 + half, 11 + half, 12 + half]
    item, rest = 14, 15
    for kv, number, mark in ((0, base.screen, OPENED), (1, base.back[4], ITEM)):
        rows = slice(kv * d, (kv + 1) * d)
        k[rows] = 0
        k[kv * d + torch.tensor(frames)] = (number @ torch.linalg.pinv(shown)).T[1:8]
        k[kv * d + item, mark] = 1
        k[kv * d + rest, DIGIT] = 1
        v[rows] = copy
        o[:, 2 * kv * d:(2 * kv + 2) * d] = 0
        o[:, 2 * kv * d:(2 * kv + 1) * d] = 0.2 * copy.T
    # Opened on the screen that is spoken of.
    w = torch.zeros(d, c.width)
    for i in range(len(questions.ORDINALS)):
        w[frames[i]] = SPOKEN_QUERY[0] * base.spoken[:, i]
    w[item, 0], w[rest, 0] = SPOKEN_QUERY[1:]
    q[:d] = turned(w, 350, theta)
    # The same item on no screen but the last.
    w = torch.zeros(d, c.width)
    w[frames] = NEW_QUERY[0] * numbers.T[1:8]
    w[item, 0], w[rest, 0] = NEW_QUERY[1:3]
    w[rest] -= NEW_QUERY[3] * base.spoken[:, -1]
    q[2 * d:3 * d] = turned(w, 85, theta)


def wanted(model, words):
    """What the projector starts by giving: the words of a tile's colour and name, and of being opened; little else for
    all other tiles."""
    e = model.embed.weight.detach().clone()
    e[:, :SET] = 0
    target = torch.zeros(len(screens.TILES), model.c.width)
    for key, i in screens.INDEX.items():
        if key[0] == "item":
            _, _, colour, name, opened = key
            target[i] = e[words(colour)] + e[words(name)]
            target[i, CONSTANT] = target[i, ITEM] = 0.6
            target[i, OPENED] = 0.6 * opened
        else:
            target[i, CONSTANT] = 0.2
    return target


def fit_projector(model, target, steps=1500, rate=2e-3):
    """Trains the projector alone towards `target`; returns the error's share of the target's variance."""
    parts = list(model.patch.parameters()) + list(model.project.parameters())
    optimizer = torch.optim.Adam(parts, lr=rate)
    every = torch.arange(len(target))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
        loss = (model.see(every) - target).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item() / target.var().item()
