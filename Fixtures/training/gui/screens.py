"""The synthetic GUI world: tiles of 8x8 pixels, screens of 10x10 tiles, and episodes of screens that change a little.

A screen is a list of 100 tile indices in row-major order; rows and columns count from 0.
"""

import random
from dataclasses import dataclass, field

import numpy as np

GRID, TILE = 10, 8
COLOURS = {"red": (214, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 220), "yellow": (232, 206, 40),
           "orange": (240, 130, 24), "purple": (130, 50, 180), "teal": (24, 170, 170), "pink": (244, 140, 190)}
LABELS = ("Save Mail Open Edit Copy Send Help Home Find Print Close Undo Share Login Play Stop Next Menu View Sync Lock "
          "Cart Chat News").split()
ICONS = "gear star heart bell key flag cloud moon clock leaf drop bolt".split()
# Each theme: background, chrome, and the texture's distance from the background.
THEMES = (((238, 238, 240), (206, 208, 214), 6), ((246, 240, 228), (222, 206, 180), 7),
          ((228, 238, 244), (180, 200, 216), 6), ((234, 242, 232), (190, 210, 186), 8))
TEXTURES, BARS = 3, 6


def bitmaps():
    """A fixed 6x6 bitmap per label and icon, any two at least 11 pixels apart; icons are symmetric."""
    rng = np.random.default_rng(5)
    found = []
    for name in LABELS + ICONS:
        while True:
            b = rng.random((6, 6)) < 0.5
            if name in ICONS:
                b[:, 3:] = b[:, 2::-1]
            if 12 <= b.sum() <= 24 and all((b ^ other).sum() >= 11 for other in found):
                found.append(b)
                break
    return dict(zip(LABELS + ICONS, found))


def draw_tiles():
    """All distinct tiles (count, 8, 8, 3) as bytes, and where each stands.

    The index has ("item", theme, colour, name, opened), ("ground", theme, texture) and ("bar", theme, number); buttons
    look the same in all themes.
    """
    glyphs, tiles, index = bitmaps(), [], {}

    def add(pixels, *keys):
        for key in keys:
            index[key] = len(tiles)
        tiles.append(pixels.astype(np.uint8))

    def item(ground, ink, edge, name):
        t = np.empty((TILE, TILE, 3))
        t[:] = edge
        t[1:7, 1:7] = ground
        t[1:7, 1:7][glyphs[name]] = ink
        return t

    black, white = np.zeros(3), np.full(3, 255)
    for colour, value in COLOURS.items():
        value = np.array(value)
        for name in LABELS:
            for opened in (False, True):
                add(item(value, white, black if opened else value * 0.8, name),
                    *(("item", theme, colour, name, opened) for theme in range(len(THEMES))))
    rng = np.random.default_rng(6)
    for theme, (ground, chrome, texture) in enumerate(THEMES):
        ground, chrome = np.array(ground), np.array(chrome)
        for colour, value in COLOURS.items():
            for name in ICONS:
                for opened in (False, True):
                    add(item(ground, value, black if opened else ground, name), ("item", theme, colour, name, opened))
        for number in range(TEXTURES + 1):
            marks = rng.random((TILE, TILE, 1)) < (0.3 if number else 0)
            add(ground - texture * marks, ("ground", theme, number))
        for number in range(BARS):
            marks = rng.random((TILE, TILE, 1)) < (0.15 if number else 0)
            add(chrome - 50 * marks, ("bar", theme, number))
    return np.stack(tiles), index


TILES, INDEX = draw_tiles()


@dataclass
class Item:
    colour: str
    name: str
    cell: int

    @property
    def title(self):
        return f"{self.colour} {self.name}"


@dataclass
class Frame:
    items: list
    opened: str                 # the title of the highlighted item
    tiles: list = field(default_factory=list)

    def find(self, title):
        return next((i for i in self.items if i.title == title), None)


@dataclass
class Episode:
    frames: list
    theme: int


class Player:
    """Draws one episode."""

    def __init__(self, rng, frames, items):
        self.rng = rng
        self.theme = rng.randrange(len(THEMES))
        # Few colours and names, so that most items share theirs with another.
        self.colours = rng.sample(list(COLOURS), rng.randint(4, 6))
        self.names = rng.sample(LABELS, rng.randint(4, 8)) + rng.sample(ICONS, rng.randint(2, 4))
        self.icons = 0.4
        self.used, self.items, self.shown = set(), [], []
        self.ground = [rng.choice((0, 0, 0, 0, rng.randint(1, TEXTURES))) for _ in range(GRID * GRID)]
        self.title = [rng.randint(0, BARS - 1) for _ in range(GRID)]
        self.side = rng.randint(0, BARS - 1)
        for _ in range(items):
            self.items.append(self.fresh())
        self.episode = Episode([], self.theme)
        self.show()
        for number in range(1, frames):
            self.change(last=number == frames - 1)
            self.show()

    def title_of(self, name=None):
        while True:
            icon = self.rng.random() < self.icons
            name_ = name or self.rng.choice([n for n in self.names if (n in ICONS) == icon])
            title = (self.rng.choice(self.colours), name_)
            if title not in self.used:
                self.used.add(title)
                return title
            if all((c, name_) in self.used for c in self.colours):
                if name:
                    return None
                self.names.append(self.rng.choice([n for n in LABELS + ICONS if n not in self.names]))

    def free(self):
        taken = {i.cell for i in self.items}
        return self.rng.choice([r * GRID + c for r in range(1, 9) for c in range(1, 10) if r * GRID + c not in taken])

    def fresh(self):
        return Item(*self.title_of(), self.free())

    def change(self, last):
        """A screen's changes. The last screen has exactly one title that was not there before."""
        rng = self.rng
        opened = [i for i in self.items if i.title in self.shown]
        for item in rng.sample(self.items, rng.randint(0, 2)) + [i for i in opened if rng.random() < 0.3]:
            item.cell = self.free()
        if len(self.items) > 9 and rng.random() < 0.6:
            self.items.remove(rng.choice(self.items))
        recolour, new = rng.random() < 0.5, None
        if recolour and (last or rng.random() < 0.6):
            item = rng.choice([i for i in self.items if i.title not in self.shown] or self.items)
            title = self.title_of(item.name)
            if title:
                item.colour = title[0]
                new = item
        if new is None and (last or len(self.items) < 10 or rng.random() < 0.5) and len(self.items) < 13:
            self.items.append(self.fresh())

    def show(self):
        rng, before = self.rng, self.shown[-1:]
        opened = rng.choice([i.title for i in self.items if [i.title] != before])
        self.shown.append(opened)
        f = Frame([Item(i.colour, i.name, i.cell) for i in self.items], opened)
        f.tiles = [INDEX["ground", self.theme, g] for g in self.ground]
        for i in range(GRID):
            f.tiles[i] = INDEX["bar", self.theme, self.title[i]]
            f.tiles[(GRID - 1) * GRID + i] = INDEX["bar", self.theme, rng.randint(0, 2)]
            if 0 < i < GRID - 1:
                f.tiles[i * GRID] = INDEX["bar", self.theme, self.side]
        for i in self.items:
            f.tiles[i.cell] = INDEX["item", self.theme, i.colour, i.name, i.title == opened]
        self.episode.frames.append(f)


def episode(rng, frames, items=(10, 13)):
    return Player(rng, frames, rng.randint(*items)).episode


def image(tiles):
    """A screen's pixels, 80x80x3."""
    t = TILES[np.array(tiles)].reshape(GRID, GRID, TILE, TILE, 3)
    return t.swapaxes(1, 2).reshape(GRID * TILE, GRID * TILE, 3)
