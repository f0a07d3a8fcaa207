"""Trains the byte-level BPE tokenizer on text of the world, ordinary English, and code-like and number-like text.

    python tokenizer.py ../models/rag-mini.tokenizer.json
"""

import random
import sys
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import world

VOCAB = 1536
BOS, EOS = "<s>", "</s>"

ENGLISH = """A cache keeps what was costly to make and is likely to be wanted again. It has to decide what to keep and
what to let go, and it should never give back something that is not what was asked for. When a question comes in, the
retriever looks for the passages that have to do with it and puts them before the model, and the model reads them from
the beginning to the end before it writes the first word of its answer. Most of these passages have been read before.
He said that he would come, but she didn't think so; they'd been there since morning, and it wasn't until noon that
we found out. "What's that?" she asked. "I don't know," he said, "but I'll see." Is it true? Yes, no, perhaps!
First of all, there were about three hundred people in the hall. Between 1914 and 1918 the price rose by 12.5 %.
The quick brown fox jumps over the lazy dog. How many are there, and why? Because of this, you can use it as follows:
if there is more than one, take the first; otherwise do nothing. See section 4.2 (page 17) for more about each of the
things which have been made, used, changed, written, given, taken, known, shown, left, held, kept and done."""
CODE = """func main() { let x = [1, 2, 3]; print("x = \\(x)") } // a comment
def f(a, b=None): return {"key": a + b * 2, 'other': [i for i in range(10) if i != 3]}
for (int i = 0; i < n; ++i) { sum += values[i] * 0.5f; } /* end */ #include <stdio.h>
{"name": "test", "id": 12345, "tags": ["a", "b"], "ok": true, "ratio": 0.25}
<html><body class="page"><h2>Title</h2><p>Text &amp; more</p></body></html> https://example.org/a/b?c=d&e=f
| a | b |\n|---|---|\n| 1 | 2 |\n- item\n* item\n1. first\n    indented\n\ttab"""


def corpus(prompts=20000, seed=7):
    rng = random.Random(seed)
    for i in range(prompts):
        p = world.draw(rng, chunks=rng.randint(2, 6), headings=0.3)
        yield p.system + "".join(p.contexts)
        yield "".join(q.text + q.answer for q in p.questions)
        if i % 20 == 0:
            yield ENGLISH
            yield CODE
        yield " ".join(str(rng.randrange(10 ** rng.randint(1, 6))) for _ in range(3))


def train():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=[BOS, EOS], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


def load(path):
    return Tokenizer.from_file(str(path))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    train().save(str(target))
