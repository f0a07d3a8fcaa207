"""Prompts as tokens and patches, and rows of episodes to train on: each episode's screens once, then its questions,
which see the screens and themselves only and stand at the positions right behind the screens."""

import random
from dataclasses import dataclass, field

import numpy as np

import questions
import screens
from tokenizer import BOS, EOS, load

ITEMS = {i for key, i in screens.INDEX.items() if key[0] == "item"}


@dataclass
class Row:
    """Tokens and patches side by side; `tile` is -1 for tokens, `kind` is one more than the question's where a token is
    supervised, and `answer` numbers the answers from 1."""
    ids: list = field(default_factory=list)
    tile: list = field(default_factory=list)
    cell: list = field(default_factory=list)
    position: list = field(default_factory=list)
    segment: list = field(default_factory=list)
    kind: list = field(default_factory=list)
    answer: list = field(default_factory=list)
    places: list = field(default_factory=list)

    def __len__(self):
        return len(self.ids)

    def add(self, ids, tile, cell, position, segment=0, kind=0, answer=0):
        n = len(ids)
        self.ids += ids
        self.tile += tile
        self.cell += cell
        self.position += position
        self.segment += [segment] * n
        self.kind += [kind] * n
        self.answer += [answer] * n

    def text(self, ids, start, **marks):
        self.add(ids, [-1] * len(ids), [0] * len(ids), list(range(start, start + len(ids))), **marks)

    def arrays(self):
        return {k: np.array(v, np.int64) for k, v in vars(self).items() if k != "places"}


class Source:
    def __init__(self, path):
        self.t = load(path)
        self.bos, self.eos = self.t.token_to_id(BOS), self.t.token_to_id(EOS)
        self.vocab = self.t.get_vocab_size()
        self.cache = {}
        self.tail = len(self.enc(questions.TAIL))

    def enc(self, text):
        if text not in self.cache:
            self.cache[text] = self.t.encode(text).ids
        return self.cache[text]

    def word(self, word):
        """The one token of a word behind a space."""
        ids = self.enc(" " + word)
        assert len(ids) == 1, word
        return ids[0]

    def screens(self, row, frames, keep=1.0, rng=None):
        """Adds `<s>` and the screens, given as tile indices, and returns the next position. A patch without an item is
        left out with probability 1 - keep."""
        row.text([self.bos], 0)
        at = 1
        for number, tiles in enumerate(frames):
            head, tail = self.enc(questions.header(number + 1)), self.enc(questions.BETWEEN)
            row.text(head, at)
            at += len(head)
            cells = [c for c, t in enumerate(tiles) if keep == 1 or t in ITEMS or rng.random() < keep]
            row.add([0] * len(cells), [tiles[c] for c in cells], cells, [at + c for c in cells])
            at += len(tiles)
            row.text(tail, at)
            at += len(tail)
        return at

    def row(self, spec, seed):
        """Whole episodes, about spec["tokens"] long together. A share of spec["untailed"] questions lack the tail but for
        its last two tokens, which keep their positions."""
        rng = random.Random(seed)
        row, count = Row(), 0
        while len(row) < spec["tokens"]:
            task = rng.choices(spec["tasks"], [t.get("weight", 1) for t in spec["tasks"]])[0]
            e = screens.episode(rng, rng.randint(*task["frames"]), task.get("items", (10, 13)))
            start = len(row)
            at = self.screens(row, [f.tiles for f in e.frames], rng.choice(task.get("keep", (1.0,))), rng)
            middle = len(row)
            asked = questions.draw(rng, e, task.get("questions", 12), task["kinds"])
            for number, (kind, prompt, item) in enumerate(asked):
                count += 1
                head, tail = self.enc(prompt), self.enc(questions.answer(item)) + [self.eos]
                short = len(head) - self.tail if rng.random() < spec.get("untailed", 0) else len(head)
                row.text(head[:short], at, segment=number + 1)
                row.text(head[max(short, len(head) - 2):], at + len(head) - 2, segment=number + 1)
                row.text(tail, at + len(head), segment=number + 1, kind=questions.KINDS.index(kind) + 1, answer=count)
            row.places.append((start, middle, len(row)))
        return row
