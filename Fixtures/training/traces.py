"""Writes a retrieval trace: the chunks of one world, and requests that retrieve some chunks far more often than others.

    python traces.py ../models/rag-mini.tokenizer.json ../traces/zipf [--check ../models/rag-mini.gguf]

Popularity falls with the rank of a chunk so that the first 5 % of chunks get 60 % of all retrievals, as Cache-Craft
reports of a production system. With --check, the model answers 400 of the requests by a full prefill.
"""

import argparse
import itertools
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import torch

import data
import evaluate
import world
from export import load_model, read_gguf

SEED = 40_000_008
CHUNKS, REQUESTS, RETRIEVED = 200, 2000, 5
FLAT, EXPONENT = 3, 1.55    # of popularity by rank; found by trial
LENGTHS = (60, 150)         # tokens in a chunk
REFERRING = 0.45            # chunks that speak of "the same person" or "the same firm"
RELATIONS = {"owns": 9, "keeps": 9, "sells": 2}
SYSTEM = world.SYSTEMS[0]
CHECKED = 400


def popularity(rank):
    return (FLAT + rank) ** -EXPONENT


@dataclass(eq=False)
class Chunk:
    facts: dict = field(default_factory=dict)       # (relation, subject) to value
    named: dict = field(default_factory=dict)       # the person and the firm named last
    reference: tuple = ()                           # relation, value, sentence
    sentences: list = field(default_factory=list)
    subject: str = ""
    text: str = ""
    id: str = ""
    linked: list = field(default_factory=list)      # chunks that together with this one answer a question


class Names(world.Names):
    """Names of a world that must use its endings again. The model mistakes names that end alike when they stand in one
    prompt, so the ending is taken that is least in use, by chunks as often as these are retrieved."""

    def __init__(self, rng):
        super().__init__(rng)
        self.popularity, self.use = 1.0, Counter()

    def _least_used(self, endings):
        ending = min(self.rng.sample(endings, len(endings)), key=lambda e: self.use[e])
        self.use[ending] += self.popularity
        return ending

    def _built(self, heads, tails):
        tail = self._least_used(tails)
        return self._new(lambda: self.rng.choice(heads) + tail)

    def _kind(self):
        return self._least_used(world.FIRM_KINDS)


class World:
    """Chunks in the order of their popularity. Of those whom one chunk names, another may tell more."""

    def __init__(self, rng, source):
        self.rng, self.source = rng, source
        self.names = Names(rng)
        self.directors, self.towns = [], []         # named, and not told of yet
        self.chunks = []
        for rank in range(CHUNKS):
            self.names.popularity = popularity(rank)
            self.chunks.append(self.chunk())
        for number, chunk in enumerate(rng.sample(self.chunks, CHUNKS)):
            chunk.id = f"c{number:03}"
        self.link()

    def link(self):
        told = {key: chunk for chunk in self.chunks for key in chunk.facts}
        for chunk in self.chunks:
            for (relation, _), value in chunk.facts.items():
                for first, second in (hop.split("-") for hop in world.HOPS):
                    other = told.get((second, value))
                    if relation == first and other and other is not chunk and other not in chunk.linked:
                        chunk.linked.append(other)
                        other.linked.append(chunk)

    def chunk(self):
        rng, chunk = self.rng, Chunk()
        if rng.random() < REFERRING:
            relation = rng.choices(list(RELATIONS), RELATIONS.values())[0]
            kind, templates, *_ = world.REFERENCES[relation]
            if self.towns and rng.random() < 0.2:       # what is said before it must name nobody of its kind
                self.tell_town(chunk)
            elif kind == "person" and rng.random() < 0.15:
                self.tell_firm(chunk, directed=False)
            value = self.names.value(relation)
            chunk.reference = relation, value, rng.choice(templates).format(v=value)
            chunk.sentences.append(chunk.reference[2])
        for _ in range(rng.choice((1, 1, 2))):
            rng.choice([self.tell_person, self.tell_person, self.tell_firm] + [self.tell_town] * bool(self.towns))(chunk)
        self.write(chunk)
        return chunk

    def add(self, chunk, relation, subject, value):
        chunk.facts[relation, subject] = value
        chunk.sentences.append(self.rng.choice(world.FACTS[relation][0]).format(s=subject, v=value))
        if world.SUBJECT[relation] != "town":
            chunk.named[world.SUBJECT[relation]] = subject
        if relation == "director":
            chunk.named["person"] = value
            self.directors.append(value)
        if relation == "lives":
            self.towns.append(value)

    def recent(self, open):
        """One of those named lately: so links stay among chunks of like popularity."""
        return open.pop(-self.rng.randint(1, min(4, len(open))))

    def tell_person(self, chunk):
        person = self.recent(self.directors) if self.directors and self.rng.random() < 0.7 else self.names.person()
        chunk.subject = chunk.subject or person
        for r in self.rng.choice((["lives"], ["lives", "trade"], ["trade", "lives"], ["trade"])):
            self.add(chunk, r, person, self.names.value(r))

    def tell_firm(self, chunk, directed=True):
        firm = self.names.firm()
        chunk.subject = chunk.subject or "the " + firm
        relations = self.rng.sample(["makes", "founded"], self.rng.randint(not directed, 1)) + ["director"] * directed
        self.rng.shuffle(relations)
        for r in relations:
            self.add(chunk, r, firm, self.names.value(r))

    def tell_town(self, chunk):
        town = self.recent(self.towns)
        chunk.subject = chunk.subject or town
        self.add(chunk, "known", town, self.names.value("known"))

    def write(self, chunk):
        """Ordinary sentences between those that say something, and a heading on some chunks."""
        rng = self.rng
        heading = ""
        if rng.random() < 0.15:
            heading = rng.choice(("", "## ")) + (rng.choice(world.HEADINGS) if chunk.reference
                                                 else "Report on " + chunk.subject) + "\n"
        pool = iter(rng.sample(world.FILLERS + world.MORE_FILLERS, 30))
        least = rng.randint(LENGTHS[0], LENGTHS[1] - 20)        # a sentence has fewer than 20 tokens
        length = 0
        while length < least:
            if length:
                chunk.sentences.insert(rng.randrange(len(chunk.sentences) + 1), next(pool))
            chunk.text = heading + " ".join(chunk.sentences) + world.MARKER
            length = len(self.source.t.encode(chunk.text).ids)
        assert LENGTHS[0] <= length <= LENGTHS[1]


def prompt_of(rng, known, chunks):
    """The prompt with the questions that it supports, or None when a reference speaks of nobody, or two speak of one
    subject with the same relation."""
    facts, refs, spoken_of, named = {}, {}, [], {}
    for chunk in chunks:
        if chunk.reference:
            relation, value, sentence = chunk.reference
            subject = named.get(world.REFERENCES[relation][0])
            if not subject or (relation, subject) in refs:
                return None
            refs[relation, subject] = (value, chunk)
            spoken_of.append((chunks.index(chunk), sentence, subject, value))
        facts |= {key: (value, chunk) for key, value in chunk.facts.items()}
        named |= chunk.named
    subjects = {kind: list(dict.fromkeys(s for r, s in facts if world.SUBJECT[r] == kind))
                for kind in ("person", "firm", "town")}
    words = [word for (_, s), (v, _) in facts.items() for word in f"{s} {v}".split()]
    names = world.Names(rng, set(known.used))       # of subjects that no chunk tells of
    names.tails.update(e for e in known.use if any(word.endswith(e) for word in words))
    questions = world.questions_on(rng, names, facts, refs, {id(c): i for i, c in enumerate(chunks)},
                                   subjects["person"], subjects["firm"], subjects["town"])
    return world.Prompt(SYSTEM, [c.text for c in chunks], questions, spoken_of)


def retrieve(rng, chunks):
    """All but one by popularity; the last together with one of these answers a question, where there is such a chunk."""
    # The smallest of exponentially distributed numbers: a weighted draw without repeats.
    drawn = [chunks[rank] for rank in sorted(range(len(chunks)), key=lambda rank: rng.expovariate(popularity(rank)))]
    found, rest = drawn[:RETRIEVED - 1], drawn[RETRIEVED - 1:]
    linked = [c for chunk in found for c in chunk.linked if c not in found]
    return found + [rng.choice(linked or rest[:1])]


def prompts(rng, made):
    """Retrieved chunks, in random orders that leave no reference without a subject, and their prompts."""
    while True:
        found = retrieve(rng, made.chunks)
        for _ in range(20):
            chunks = rng.sample(found, RETRIEVED)
            prompt = prompt_of(rng, made.names, chunks)
            if prompt:
                yield chunks, prompt
                break


def draw(rng, made):
    """Requests as (chunks, prompt, question). What is retrieved does not depend on the question: of the kinds that a
    prompt allows, the one asked least is asked, and of its questions again the one asked least."""
    asked = Counter()
    for chunks, prompt in itertools.islice(prompts(rng, made), REQUESTS):
        fitting = [q for q in prompt.questions if q.kind != "reference"] + world.contested(prompt)
        question = min(rng.sample(fitting, len(fitting)), key=lambda q: (asked[q.kind], asked[q.answer]))
        asked[question.kind] += 1
        asked[question.answer] += 1
        yield chunks, prompt, question


def share(requests, chunks):
    """The share of all retrievals that the most popular `chunks` get."""
    counts = Counter(c.id for retrieved, *_ in requests for c in retrieved)
    return sum(n for _, n in counts.most_common(chunks)) / counts.total()


def check(requests, model, source):
    right = {kind: [] for kind in world.KINDS}
    for _, prompt, question in random.Random(0).sample(requests, CHECKED):
        ids, positions, segment, _, _, answers = evaluate.layout(source, prompt, [question])
        logits = evaluate.forward(model, ids, positions, evaluate.visible(segment))
        right[question.kind] += evaluate.right(logits, ids, answers)
    for kind, each in right.items():
        print(f"{kind:10} {sum(each)} of {len(each)}")
    print(f"{sum(map(sum, right.values())) / CHECKED:.3f} of all")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("tokenizer")
    a.add_argument("out", type=Path)
    a.add_argument("--check", metavar="MODEL")
    o = a.parse_args()
    source = data.Source(o.tokenizer)
    rng = random.Random(SEED)
    made = World(rng, source)
    requests = list(draw(rng, made))
    popular = share(requests, CHUNKS // 20)
    print(f"the most popular 5 % of chunks get {popular:.3f} of the retrievals")
    assert abs(popular - 0.6) < 0.02
    o.out.mkdir(parents=True, exist_ok=True)
    with open(o.out / "chunks.jsonl", "w") as f:
        for chunk in sorted(made.chunks, key=lambda c: c.id):
            f.write(json.dumps({"id": chunk.id, "text": chunk.text}) + "\n")
    with open(o.out / "requests.jsonl", "w") as f:
        for chunks, prompt, question in requests:
            f.write(json.dumps({"system": prompt.system, "chunks": [c.id for c in chunks], "question": question.text,
                                "answers": [question.answer.strip()], "kind": question.kind}) + "\n")
    if o.check:
        torch.set_num_threads(1)
        check(requests, read_gguf(o.check).eval() if o.check.endswith(".gguf") else load_model(o.check), source)


if __name__ == "__main__":
    main()
