"""Trains the byte-level BPE of gui-mini on the prompts' texts.

    python vocabulary.py ../../models/gui-mini.tokenizer.json
"""

import random
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import questions
import screens
from tokenizer import BOS, EOS

VOCAB = 512


def corpus(episodes=3000, seed=7):
    """Texts of episodes, and every word by itself, so that each becomes one token."""
    rng = random.Random(seed)
    words = list(screens.COLOURS) + screens.LABELS + screens.ICONS + [str(i) for i in range(10)]
    for _ in range(episodes):
        e = screens.episode(rng, rng.randint(1, 7))
        for number in range(len(e.frames)):
            yield questions.header(number + 1)
        for _, prompt, item in questions.draw(rng, e, 6, dict.fromkeys(questions.KINDS, 1)):
            yield prompt + questions.answer(item)
        yield from (f" {w} {w}" for w in words)


def train():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=[BOS, EOS], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    train().save(str(target))
