"""Questions about an episode, and the texts of a prompt.

A prompt is `<s>`, each screen as "Screen k:", a line feed, its 100 patches and a line feed, and the question. The text
parts are tokenised alone. Whatever the question, it ends with the same `TAIL`.
"""

from screens import GRID, ICONS

KINDS = ("current", "icon", "back")
VERBS = ("click", "press", "choose")
COUNTS = ("one", "two", "three", "four", "five", "six")
EARLIEST, FARTHEST = 2, 2      # asked for: the first screens by their number, the last by the steps back to them
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
TAIL = "Say what to click, then its row and its column.\nAction:"


def header(number):
    return f"Screen {number}:\n"


BETWEEN = "\n"


def answer(item):
    return f" click the {item.title} at row {item.cell // GRID} column {item.cell % GRID}."


def named(item, verb):
    return f"Task: {verb} the {item.title}.\n{TAIL}"


def backward(last, number, by_steps):
    """The task about the item opened on screen `number` (from 0) of an episode whose last screen is `last`."""
    steps = last - number
    if by_steps and steps:
        where = f"{COUNTS[steps - 1]} step{'s' * (steps > 1)} ago"
    else:
        where = f"on the {ORDINALS[number]} screen"
    return f"Task: go back to the item opened {where}.\n{TAIL}"


def possible(rng, episode):
    """All questions of an episode by kind: (prompt, item on the last screen)."""
    screen, last = episode.frames[-1], len(episode.frames) - 1
    found = {kind: [] for kind in KINDS}
    for item in screen.items:
        found["icon" if item.name in ICONS else "current"].append((named(item, rng.choice(VERBS)), item))
    for number, frame in enumerate(episode.frames[:-1] or episode.frames):
        item = screen.find(frame.opened)
        if item:
            ways = [False] * (number < EARLIEST) + [True] * (0 < last - number <= FARTHEST)
            for by_steps in ways:
                found["back"].append((backward(last, number, by_steps), item))
    return found


def draw(rng, episode, count, weights):
    """`count` questions (kind, prompt, item) of an episode, none twice, kinds as `weights` say as far as there are any."""
    found = possible(rng, episode)
    for options in found.values():
        rng.shuffle(options)
    chosen = []
    while len(chosen) < count:
        kinds = [k for k in KINDS if found[k] and weights.get(k)]
        if not kinds:
            break
        kind = rng.choices(kinds, [weights[k] for k in kinds])[0]
        chosen.append((kind, *found[kind].pop()))
    return chosen
