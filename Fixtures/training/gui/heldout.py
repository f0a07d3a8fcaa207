"""Writes the fixtures besides the model: the atlas of tiles, the held-out episodes and one episode as PNG files.

    python heldout.py ../../gui

The atlas has `COLUMNS` tiles a row, numbered row by row. Episodes are drawn with seeds that training never uses; as
many questions are of each kind, and as many episodes have 3, 4, 5, 6 and 7 screens.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import questions
import screens

COLUMNS, EPISODES, FRAMES, SEED = 40, 600, (3, 4, 5, 6, 7), -1000


def atlas():
    count = -(-len(screens.TILES) // COLUMNS) * COLUMNS
    tiles = np.zeros((count, screens.TILE, screens.TILE, 3), np.uint8)
    tiles[:len(screens.TILES)] = screens.TILES
    tiles = tiles.reshape(-1, COLUMNS, screens.TILE, screens.TILE, 3)
    return tiles.swapaxes(1, 2).reshape(-1, COLUMNS * screens.TILE, 3)


def as_json(episode, asked):
    frames = [f.tiles for f in episode.frames]
    return {"headers": [questions.header(i + 1) for i in range(len(frames))], "between": questions.BETWEEN,
            "frames": frames,
            "opened": [f.find(f.opened).cell for f in episode.frames],
            "questions": [{"kind": kind, "question": prompt, "answers": [questions.answer(item).strip()],
                           "row": item.cell // screens.GRID, "column": item.cell % screens.GRID}
                          for kind, prompt, item in asked]}


def draw(seed, frames, kinds):
    """An episode with one question of each of `kinds`."""
    rng = random.Random(seed)
    while True:
        e = screens.episode(rng, frames)
        found = questions.possible(rng, e)
        if all(found[k] for k in kinds):
            return e, [(k, *rng.choice(found[k])) for k in kinds]


def episodes():
    for number in range(EPISODES):
        without = questions.KINDS[number // len(FRAMES) % len(questions.KINDS)]
        kinds = [k for k in questions.KINDS if k != without]
        yield draw(SEED - number, FRAMES[number % len(FRAMES)], kinds)


def main(folder):
    (folder / "example").mkdir(parents=True, exist_ok=True)
    Image.fromarray(atlas()).save(folder / "tiles.png", optimize=True)
    with open(folder / "heldout.jsonl", "w") as out:
        for e, asked in episodes():
            out.write(json.dumps(as_json(e, asked), separators=(",", ":")) + "\n")
    e, asked = draw(SEED - EPISODES, 5, questions.KINDS)
    for number, frame in enumerate(e.frames):
        Image.fromarray(screens.image(frame.tiles)).save(folder / "example" / f"screen-{number + 1}.png")
    (folder / "example" / "question.json").write_text(json.dumps(as_json(e, asked)) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
