"""Training batches: rows of packed documents, each a context with questions that see the context and themselves only.

A document's questions all stand at the position right behind its context, as they will when asked alone.
"""

import random
from pathlib import Path

import numpy as np

import tokenizer
import world

INDUCTION, RECALL, FACT, HOP, REFERENCE, UNKNOWN = range(6)
KIND_NAMES = ("other", "recall", "fact", "hop", "reference", "unknown")
KIND_OF = {"fact": FACT, "hop": HOP, "reference": REFERENCE, "unknown": UNKNOWN}
PHRASES = {"lives": "lives in", "trade": "works as a", "makes": "also makes", "director": "has director",
           "founded": "was founded in", "known": "is known for its", "owns": "also owns a", "keeps": "also keeps a",
           "sells": "also sells"}
# Words of a reference that stand in every sentence: made to look back, they would look back everywhere.
PLAIN = ("", ".", "a", "the", "of", "to", "is", "in", "can", "has", "have", "for", "after", "be", "said")
SUBJECT = world.SUBJECT | {r: v[0] for r, v in world.REFERENCES.items()}


class Source:
    def __init__(self, path):
        self.t = tokenizer.load(path)
        self.bos = self.t.token_to_id(tokenizer.BOS)
        self.eos = self.t.token_to_id(tokenizer.EOS)
        self.vocab = self.t.get_vocab_size()
        self.cache = {}

    def enc(self, text):
        if text not in self.cache:
            if len(self.cache) > 20000:
                self.cache.clear()
            self.cache[text] = self.t.encode(text).ids
        return self.cache[text]

    # A document is (context ids, [(ids, first supervised index, kind)]); `task` also gives the context's references.

    def induction(self, rng, room):
        n = rng.randint(3, 8) if rng.random() < 0.5 else rng.randint(8, 24)
        run = [rng.randrange(2, self.vocab) for _ in range(n)]
        return [self.bos] + run, [(run * (3 if n < 9 else 1), 1, INDUCTION)]

    def recall(self, rng, gap):
        """Facts told, then told again in another order, supervised on the values: gap is the most words between."""
        names = world.Names(rng)
        triples, subject = [], None
        for _ in range(rng.randint(3, 10)):
            r = "director" if rng.random() < 0.2 else rng.choice(list(PHRASES))
            if not (subject and gap and rng.random() < 0.3 and SUBJECT[r] == subject[0]
                    and (r, subject[1]) not in [(a, b) for a, b, _ in triples]):
                subject = (SUBJECT[r], names.subject(SUBJECT[r]))
            triples.append((r, subject[1], names.value(r)))
        g = rng.randint(0, gap)
        dot = self.enc(".")

        def tell(r, s, v):
            words = PHRASES[r].split()[:g] if g < 3 else PHRASES[r].split()
            head = self.enc(" " + " ".join([s] + words))
            return head, self.enc(" " + v)
        context = [self.bos]
        for t in triples:
            head, value = tell(*t)
            context += head + value + dot
        rng.shuffle(triples)
        again = []
        for t in triples:
            head, value = tell(*t)
            again.append((head + value + dot, len(head), RECALL))
        return context, again

    def bind(self, rng):
        """Only references, all of one relation, close behind the name: nothing but the binding tells them apart."""
        names = world.Names(rng)
        relation = rng.choice(("owns", "owns", "keeps", "keeps", "sells"))
        kind, statements, _, answer = world.REFERENCES[relation]
        text, asked = "", []
        for _ in range(rng.randint(2, 5)):
            s, v = names.subject(kind), names.value(relation)
            if rng.random() < 0.25:     # the same with a gap of any number of words in one sentence
                words = rng.choice(world.FILLERS)[:-1].split()[:rng.randint(0, 9)]
                text += " ".join([s] + words + [PHRASES[relation], v]) + "." + rng.choice((" ", world.MARKER))
                asked.append((s, v))
                continue
            r = rng.choice([f for f in world.FACTS if world.SUBJECT[f] == kind and f != "director"])
            text += ("The " if kind == "firm" else "") + s + "." if rng.random() < 0.3 else \
                rng.choice(world.FACTS[r][0]).format(s=s, v=names.value(r))
            if rng.random() < 0.85:
                text += world.MARKER if rng.random() < 0.6 else " "
                if rng.random() < 0.25:
                    text += rng.choice(world.FILLERS) + " "
                text += rng.choice(statements).format(v=v)
            else:
                v = world.UNKNOWN
            if rng.random() < 0.25:
                text += " " + rng.choice(world.FILLERS)
            text += world.MARKER
            asked.append((s, v))
        context = [self.bos]
        for part in text.strip().split(world.MARKER):
            context = context + self.t.encode(part + world.MARKER).ids
        rng.shuffle(asked)
        parts = []
        for s, v in asked:
            whole = answer.format(s=s, v=v)
            cut = whole.rindex(" " + v)
            head, tail = self.enc(whole[:cut]), self.enc(whole[cut:])
            parts.append((head + tail + [self.eos], len(head), INDUCTION))
        return context, parts

    def sentence(self, text, sentence):
        """The tokens of a reference in its report, from "same" on."""
        start = text.index(sentence) + sentence.index("same")
        end = text.index(sentence) + len(sentence)
        return [i for i, (a, b) in enumerate(self.t.encode(text).offsets) if b > start and a < end]

    def named(self, text, sentence, name, value):
        """[(token, ids, weight)]: the tokens of a reference that tell it from other sentences, and the ids of the
        name's end, for `early` of train.py. The value's own tokens weigh most, since an answer is copied from them, and
        so do references to firms, which are fewer."""
        firm = name.split()[-1] in world.FIRM_KINDS
        pieces = self.enc(" " + (name if firm else name.split()[-1]))
        encoded = self.t.encode(text)
        at = text.index(sentence) + sentence.index(value)
        marks = []
        for i in self.sentence(text, sentence):
            a, b = encoded.offsets[i]
            if text[a:b].strip() not in PLAIN:
                marks.append((i, pieces, 3.0 if firm or b > at and a < at + len(value) else 1.0))
        return marks

    def task(self, rng, spec):
        """A prompt of the world, some of its questions, and the tokens of its references as `named` gives them."""
        if "words" in spec:
            p = world.draw_long(rng, chunks=rng.randint(*spec["chunks"]), words=spec["words"])
        else:
            p = world.draw(rng, chunks=rng.randint(*spec["chunks"]), filler=spec.get("filler", 1.0),
                           paraphrase=spec.get("paraphrase", 1.0))
        context = [self.bos] + (self.enc(p.system) if p.system else [])
        referring = []
        for number, text in enumerate(p.contexts):
            for report, *reference in p.references:
                if report == number:
                    referring += [(len(context) + i, *rest) for i, *rest in self.named(text, *reference)]
            context = context + self.t.encode(text).ids
        wanted = spec.get("questions", 10)
        by_kind = {k: [q for q in p.questions if q.kind == k] for k in world.KINDS}
        chosen = by_kind["reference"] + by_kind["hop"]
        rng.shuffle(by_kind["fact"])
        rng.shuffle(by_kind["unknown"])
        by_kind["fact"].sort(key=lambda q: q.relation != "director")    # the hardest to learn, and half of most hops
        chosen += by_kind["fact"][:4] + by_kind["unknown"][:spec.get("unknown", 3)]
        rng.shuffle(chosen)
        chosen = chosen[:wanted]
        twice = spec.get("twice", ())
        chosen += [q for q in chosen if q.kind in twice or q.relation in twice and q.kind != "unknown"]
        rng.shuffle(chosen)
        asked = []
        for q in chosen:
            if q.kind != "hop" and rng.random() < spec.get("bare", 0.0):
                cut = q.answer.rindex(" " + q.value)
                head, tail = self.enc(q.answer[:cut]), self.enc(q.answer[cut:])
            else:
                head, tail = self.enc(q.text), self.enc(q.answer)
            asked.append((head + tail + [self.eos], len(head), KIND_OF[q.kind]))
        return context, asked, referring


def batch(source, spec, rows, length, seed):
    """Arrays (rows, length): ids, positions, document, segment, target mask as kind + 1, answer number."""
    rng = random.Random(seed)
    ids = np.zeros((rows, length), np.int64)
    positions = np.zeros((rows, length), np.int64)
    document = np.full((rows, length), -1, np.int32)
    segment = np.zeros((rows, length), np.int32)
    kind = np.zeros((rows, length), np.int8)
    answer = np.zeros((rows, length), np.int32)
    names, weights = zip(*spec["mix"].items())
    count = 0
    for row in range(rows):
        at, doc = 0, 0
        while length - at > 24 and doc < 40:
            room = length - at
            source_kind = rng.choices(names, weights)[0]
            if source_kind == "induction":
                context, parts = source.induction(rng, room)
            elif source_kind == "bind":
                context, parts = source.bind(rng)
            elif source_kind == "recall":
                context, parts = source.recall(rng, spec.get("gap", 3))
            else:
                context, parts, _ = source.task(rng, rng.choice(spec["task"]))
            if len(context) + (len(parts[0][0]) if parts else 0) > room:
                if doc and rng.random() < 0.7:
                    break
                doc += 1
                continue
            n = len(context)
            ids[row, at:at + n] = context
            positions[row, at:at + n] = np.arange(n)
            document[row, at:at + n] = doc
            at += n
            for number, (part, first, k) in enumerate(parts):
                m = len(part)
                if at + m > length:
                    break
                ids[row, at:at + m] = part
                positions[row, at:at + m] = np.arange(n, n + m)
                document[row, at:at + m] = doc
                segment[row, at:at + m] = number + 1
                kind[row, at + first:at + m] = k + 1
                count += 1
                answer[row, at + first:at + m] = count
                at += m
            doc += 1
    return ids, positions, document, segment, kind, answer


def document_batch(source, spec, seed):
    """One row of whole documents, about spec["tokens"] long: the arrays of `batch`, each (1, length), the documents'
    places [(start, middle, end)], and the tokens of references [(index, ids, weight)]."""
    rng = random.Random(seed)
    names, weights = zip(*spec["mix"].items())
    ids, positions, segment, kind, answer, places, referring = [], [], [], [], [], [], []
    count = 0
    while len(ids) < spec["tokens"]:
        chosen = rng.choices(names, weights)[0]
        marks = []
        if chosen == "bind":
            context, parts = source.bind(rng)
        elif chosen == "recall":
            context, parts = source.recall(rng, 3)
        else:
            task = rng.choices(spec["task"], [t.get("weight", 1) for t in spec["task"]])[0]
            context, parts, marks = source.task(rng, task)
        start, n = len(ids), len(context)
        referring += [(start + i, *rest) for i, *rest in marks]
        ids += context
        positions += range(n)
        segment += [0] * n
        kind += [0] * n
        answer += [0] * n
        for number, (part, first, k) in enumerate(parts):
            m = len(part)
            count += 1
            ids += part
            positions += range(n, n + m)
            segment += [number + 1] * m
            kind += [0] * first + [k + 1] * (m - first)
            answer += [0] * first + [count] * (m - first)
        places.append((start, start + n, len(ids)))
    arrays = (np.array(ids, np.int64)[None], np.array(positions, np.int64)[None], np.array(segment, np.int32)[None],
              np.array(kind, np.int8)[None], np.array(answer, np.int32)[None])
    return arrays, places, referring
