"""The synthetic world: short reports on people, firms and towns, with questions of four kinds.

Every name is drawn anew for every prompt, so that nothing can be learned by heart. "The same person" means the
person named last before the sentence; where that is in an earlier report, only reading the reports in order
resolves it.
"""

import random
from dataclasses import dataclass, field

KINDS = ("fact", "hop", "reference", "unknown")
UNKNOWN = "(the reports do not say)"       # stands in an answer where the value would
MARKER = "\n\n"

FIRST_HEADS = """Tom Bel Cor Mar Jon El An Har Lu Pe Ro Sil Vik Wen Ga Han Is Ju Kas Le Mi Nor Ol Pau Rai Sa Ti Ul
Yor Zel Ad Bri Cla Dor Em Fen Gor Hel Iv Jas""".split()
FIRST_TAILS = "as in ela an or is a eth ric ian ona ard ine us ora wen mir ette ulf ane".split()
LAST_HEADS = """Ar Bran Cal Dor Ev Fal Gar Hol Im Jar Kel Lor Mor Nev Or Pel Quin Ras Sten Tol Ur Ver Wal Yar Zan Bos
Cren Dal Eg Fos Gren Hart Ing Jes Kol Lan Mel Nor Os Prin""".split()
LAST_TAILS = "vel den mark ley sen by ter ner wick ost man land ric ham low son gar strom dahl berg".split()
TOWN_HEADS = """Dun Ash Brim Crow Elm Frost Glen Hazel Iron Kings Lamb Mill Nether Oak Penn Raven Salt Thorn Upper
West Alder Birch Cold Deer Fair Grim Hay Long Marsh Stone""".split()
TOWN_TAILS = "mere ford ton wick by stead dale holm combe ham port field bury gate worth well".split()
FIRM_HEADS = """Har Cor Vin Sel Tal Bor Dren Fal Gil Kar Lin Mon Nel Ost Pol Quar Ren Sor Tren Vel Wex Yel Zor Bal
Cam Dev Eld Fin Gal Hux""".split()
FIRM_TAILS = "low lan wood stone more well don ris ven mont dell ton ley bray ford rick".split()
FIRM_KINDS = "mill works forge brewery bakery press yard foundry dairy pottery company workshop".split()

COLOURS = """red blue green white black grey brown yellow silver golden small large new round long heavy light
wooden broken painted narrow tall""".split()
THINGS = """boat clock piano lantern cart bicycle saddle violin mirror chest telescope wagon kettle tent drum ladder
camera sledge desk harp globe tractor carpet barrel""".split()
ANIMALS = """goat dog horse cat goose donkey parrot pony sheep cow rabbit hen duck pig falcon mule turtle""".split()
PRODUCTS = """ropes lamps chairs boots candles bricks nails pots bells hats gloves knives doors pipes baskets tables
wheels buttons jars combs ladles scarves shovels tiles""".split()
SIGHTS = """bridge tower church market harbour garden library windmill fountain museum castle theatre school well
square station canal gate""".split()
TRADES = """baker carpenter teacher doctor farmer painter tailor miller sailor printer gardener lawyer weaver mason
driver nurse clerk fisher butcher potter barber joiner glazier miner""".split()

FILLERS = """Rain fell for most of the week.
The market was busy and the roads were dry.
Nobody could remember a colder spring.
The post came late on Monday.
A new road is being built this year.
Many visitors came by train in the summer.
The harvest was good in spite of the wind.
There was music in the evening.
Prices have not changed since last year.
Some of the old papers were lost in a fire.
The weather turned mild after the holidays.
Two letters arrived and were read aloud.
It was a quiet month for everybody.
The school will open again in autumn.
Few people go out after dark in winter.
The river was high but did no harm.
A long meeting was held in the town hall.
The children sang and the bells rang.
Most of the work was done by hand.
The next report is due in a month.
Nothing else of note took place.
The bread was good and the coffee was strong.
Several windows were left open all night.
Snow lay on the hills until late in March.
The newspaper printed a short story about it.
The bus stops here twice a day.
An old map hangs on the wall.
The fields near the road were sold.
Everyone agreed that the food was fine.
The lights went out for an hour.
In the end the plan was dropped.
A stone wall runs along the path.
The fair lasted three days.
The dance was put off until June.
Guests stayed at the inn by the road.
The morning was clear and still.
The wood for the fire was wet.
Trains were slow because of the fog.
The figures were checked twice.
A photograph was taken and put away.""".split("\n")

# More of them, for long reports. `draw` keeps to the first list, so that the committed corpus is drawn again as it is.
MORE_FILLERS = """The road to the river was closed for a week.
A letter came from the town hall on Friday.
The old bridge will be painted in the spring.
Nobody was hurt and little was lost.
The windows of the school were cleaned.
There were many people in the streets that day.
The wind was strong and the sea was high.
In the winter the canal was covered with ice.
The news was read aloud in the market.
A second meeting will be held in March.
Most visitors stayed for two or three days.
The price of wood went up again.
The clock in the hall was an hour slow.
Some said that the winter would be long.
The path behind the church is wet and dark.
It was a good year for fruit.
The library was open until nine in the evening.
Three letters were sent and one was lost.
The garden was full of people all summer.
The children went home before dark.
A short story was read after the meal.
The station was quiet at that hour.
The roads were covered with snow until April.
The hall was painted green many years ago.
There is a well behind the old wall.
The first train came at six in the morning.
Few letters were written in those years.
The harvest was late because of the rain.
A map of the town can be seen in the hall.
The market is held on the first Monday of the month.
The lamps along the river were lit at eight.
Everybody went to see the new bridge.
No one knows how old the gate is.
The bells were heard across the fields.
The paper said little about it.
Work on the wall was stopped in November.
The music went on until late at night.
A fine meal was served in the garden.
The post was two days late again.
The holidays were wet and cold.
Two trees fell on the road in the night.
The question was left open until the next meeting.
It had not been so warm in October for years.
The windmill has not turned since the storm.
Many of the houses were empty in winter.
The fog did not lift until noon.
The names of the guests were written in a book.
The river path is closed in bad weather.
A cold wind came down from the hills.
The fire was put out before morning.
The town hall needs a new roof.
Coffee was served in the long break.
The guests left on the last train.
There was ice on the windows in the morning.
The story was told again and again.
The hills can be seen from the station.
The bus was full and left late.
A new wall was built along the field.
The figures for May are still missing.
The weather was fair for most of June.
All the papers were put in a large box.
The dance in the hall lasted until two.
A light was seen on the hill at night.
The price of bread has not changed.
Nothing was said about the costs.
The fields were still under water in May.
A report on the roads is due in August.
The evening was warm and the windows were open.
The gate of the park is closed at night.
Those who came early found a place to sit.
The old school is now used as a library.
The last days of the fair were the best.
There has been little rain since July.
The harbour was busy from morning to night.
Snow fell on the last day of the year.
The plan was read and agreed to.
Some of the guests came on foot.
The town has two inns and a small theatre.
One of the bells has been broken for years.
They met again a week later.
The museum is closed on Monday.
The path along the canal is dry in summer.
The meeting was short and nothing was agreed.
In spring the river is often high.
The castle can be seen from far away.
The train was an hour late because of the snow.
The wood came by river from the hills.
There was not enough room for everybody.
The children were given bread and fruit.
The houses by the river have stood for many years.
It took three days to put the fire out.
After the storm the roads were full of leaves.
The inn was full and the guests had to wait.
The first snow came early that year.
The water in the well was low.
Nobody had seen so many people in the square.
The notes were read and put away.
A bell rang and the doors were closed.
The theatre will be closed until September.
The morning train does not stop here now.
The day was long and the work was hard.
The town had its first lamps in those years.
The lights of the harbour were seen from the hills.
There was a fair with music in the square.
The old road is used by few people now.
The market hall was built by hand in two years.
The leaves were swept and put on the fire.
Much was said and little was done.
The summer came late and was soon over.
The doors of the church were open all day.
It rained in the morning and cleared after noon.
The figures were read aloud and written down.
A long letter about it was printed in the newspaper.
The tower was closed because of the wind.
The guests were shown the garden and the library.
Trains stopped at noon and ran again in the evening.
The square was empty when the rain came.
A few papers were found under the stairs.
The church has a new clock since last year.
The bread was sold before nine in the morning.
The inn by the station was built of stone.
Many roads were closed until the end of the month.
The work will take another year.""".split("\n")

HEADINGS = ["Further notes", "Notes from the week", "A second note", "More news", "What else is known", "Other matters"]

SYSTEMS = ["Answer the question from the reports below.\n\n",
           "You are a careful clerk. Answer from the reports only.\n\n",
           "Read the reports and answer in one sentence.\n\n",
           "These reports come from a town archive.\n\n",
           "Use only what the reports say.\n\n"]

# relation: (statements, questions, answer); {s} is the subject and {v} the value.
FACTS = {
    "lives": (["{s} lives in {v}.", "{s} has a house in {v}.", "The home of {s} is in {v}."],
              ["Where does {s} live?", "In which town does {s} live?"],
              " {s} lives in {v}."),
    "trade": (["{s} works as a {v}.", "{s} is a {v} by trade.", "{s} became a {v}."],
              ["What does {s} work as?", "What is the trade of {s}?"],
              " {s} works as a {v}."),
    "makes": (["The {s} makes {v}.", "The {s} is a maker of {v}.", "The workers of the {s} make {v}."],
              ["What does the {s} make?", "What is made by the {s}?"],
              " The {s} makes {v}."),
    "director": (["The director of the {s} is {v}.", "The {s} is led by {v}.", "The {s} has {v} as its director."],
                 ["Who is the director of the {s}?", "Who leads the {s}?"],
                 " The director of the {s} is {v}."),
    "founded": (["The {s} was founded in {v}.", "The {s} dates from {v}.", "The {s} opened in {v}."],
                ["When was the {s} founded?", "In which year was the {s} founded?"],
                " The {s} was founded in {v}."),
    "known": (["{s} is known for its {v}.", "People visit {s} to see its {v}.", "The pride of {s} is its {v}."],
              ["What is {s} known for?", "For what is {s} known?"],
              " {s} is known for its {v}."),
}
REFERENCES = {
    "owns": ("person", ["The same person also owns a {v}.", "This same person is also the owner of a {v}.",
                        "The same person is also said to own a {v}."],
             ["What does {s} also own?"], " {s} also owns a {v}."),
    "keeps": ("person", ["The same person also keeps a {v}.", "This same person also looks after a {v}.",
                         "The same person also takes care of a {v}."],
              ["What does {s} also keep?"], " {s} also keeps a {v}."),
    "sells": ("firm", ["The same firm also sells {v}.", "This same firm also has {v} for sale.",
                       "Customers of the same firm can also buy {v}."],
              ["What does the {s} also sell?"], " The {s} also sells {v}."),
}
HOPS = {
    "director-lives": (["Where does the director of the {a} live?", "In which town does the director of the {a} live?"],
                       " The director of the {a} is {b}, who lives in {c}."),
    "director-trade": (["What does the director of the {a} work as?"],
                       " The director of the {a} is {b}, who works as a {c}."),
    "lives-known": (["What is the town where {a} lives known for?"],
                    " {a} lives in {b}, which is known for its {c}."),
}
SUBJECT = {"lives": "person", "trade": "person", "makes": "firm", "director": "firm", "founded": "firm",
           "known": "town"}


class Names:
    """Draws names that do not repeat within one prompt (or, with a shared `used`, within a corpus)."""

    def __init__(self, rng, used=None):
        self.rng = rng
        self.used = set() if used is None else used
        self.tails = set()

    def _new(self, make):
        while True:
            name = make()
            if name not in self.used:
                self.used.add(name)
                return name

    def _built(self, heads, tails):
        """A name that shares no ending with another of this prompt, nine times in ten."""
        free = [t for t in tails if t not in self.tails]
        if free and self.rng.random() < 0.9:
            tails = free
        tail = self.rng.choice(tails)
        self.tails.add(tail)
        return self._new(lambda: self.rng.choice(heads) + tail)

    def person(self):
        last = self._built(LAST_HEADS, LAST_TAILS)
        return self._new(lambda: self.rng.choice(FIRST_HEADS) + self.rng.choice(FIRST_TAILS)) + " " + last

    def town(self):
        return self._built(TOWN_HEADS, TOWN_TAILS)

    def firm(self):
        return self._built(FIRM_HEADS, FIRM_TAILS) + " " + self._kind()

    def _kind(self):
        free = [k for k in FIRM_KINDS if k not in self.tails]
        kind = self.rng.choice(free or FIRM_KINDS)
        self.tails.add(kind)
        return kind

    def value(self, relation):
        c = self.rng.choice
        if relation == "lives":
            return self.town()
        if relation == "director":
            return self.person()
        if relation == "trade":
            return c(TRADES)
        if relation == "founded":
            return self._new(lambda: str(self.rng.randrange(1700, 2000)))
        nouns = {"makes": PRODUCTS, "sells": PRODUCTS, "known": SIGHTS, "owns": THINGS, "keeps": ANIMALS}[relation]
        return self._new(lambda: c(COLOURS) + " " + c(nouns))

    def subject(self, kind):
        return getattr(self, kind)()


@dataclass
class Question:
    text: str
    answer: str
    kind: str
    chunks: tuple = ()
    relation: str = ""
    value: str = ""


@dataclass
class Prompt:
    system: str
    contexts: list
    questions: list
    references: list = field(default_factory=list)      # (report, sentence, the name it speaks of, value)


@dataclass
class Report:
    """One chunk under construction: its sentences, and whom it is about."""
    sentences: list = field(default_factory=list)
    subject: str = ""
    heading: str = ""


def draw(rng, chunks=5, filler=1.0, paraphrase=1.0, headings=0.15, references=True, names=None, form="text"):
    """One prompt with every question that it supports; `filler` and `paraphrase` in 0…1 set the difficulty."""
    names = names or Names(rng)
    reports, facts, refs, spoken_of = [], {}, {}, []    # facts[(relation, subject)] = (value, report)

    def say(templates, **values):
        return rng.choice(templates if rng.random() < paraphrase else templates[:1]).format(**values)

    def add(report, relation, subject, value):
        facts[relation, subject] = (value, report)
        report.sentences.append(say(FACTS[relation][0], s=subject, v=value))

    # 1. Who and what: a plan of cores, linked so that hops exist.
    groups, left = [], chunks
    persons, firms, towns = [], [], []
    open_directors, open_towns = [], []
    order = rng.sample(["owns", "keeps"], 2)
    order.insert(0 if rng.random() < 0.1 else 2, "sells")
    while left > 0:
        kinds = ["person", "person", "firm"] if not (open_directors or open_towns) else \
                ["person"] * (1 + 3 * bool(open_directors)) + ["town"] * (3 * bool(open_towns)) + ["firm"]
        core = rng.choice(kinds)
        report = Report()
        if core == "person":
            person = open_directors.pop() if open_directors and rng.random() < 0.8 else names.person()
            persons.append(person)
            report.subject = person
            relations = rng.choice((["lives"], ["lives", "trade"], ["lives", "trade"], ["trade"]))
            rng.shuffle(relations)
            for r in relations:
                value = names.value(r)
                add(report, r, person, value)
                if r == "lives":
                    open_towns.append(value)
        elif core == "firm":
            firm = names.firm()
            firms.append(firm)
            report.subject = "the " + firm
            relations = rng.sample(["makes", "founded"], rng.choice((0, 1, 1))) + ["director"] \
                if rng.random() < 0.85 else ["makes", "founded"]
            rng.shuffle(relations)
            for r in relations:
                # A person who has a report already may turn out to direct this firm.
                free = [p for p in persons if not any(k[0] == "director" and v[0] == p for k, v in facts.items())]
                value = rng.choice(free) if r == "director" and free and rng.random() < 0.5 else names.value(r)
                add(report, r, firm, value)
                if r == "director" and value not in persons:
                    open_directors.append(value)
        else:
            town = open_towns.pop(rng.randrange(len(open_towns)))
            towns.append(town)
            report.subject = town
            add(report, "known", town, names.value("known"))
        left -= 1
        group = [report]
        # 2. Reports behind it that refer back to it.
        spoken = _last(report.sentences, facts, report)
        while references and left > 0 and len(group) < 3 and rng.random() < (0.9 if len(group) == 1 else 0.2):
            free = [r for r in REFERENCES if spoken.get(REFERENCES[r][0]) and (r, spoken[REFERENCES[r][0]]) not in refs]
            if not free:
                break
            # Mostly the same relation in each group, so that only the right person tells the answers apart.
            r = min(free, key=order.index) if rng.random() < 0.95 else rng.choice(free)
            subject = spoken[REFERENCES[r][0]]
            other = Report()
            value = names.value(r)
            sentence = say(REFERENCES[r][1], v=value)
            refs[r, subject] = (value, other)
            spoken_of.append((other, sentence, subject, value))
            other.sentences = [sentence]
            if rng.random() < 0.3 * filler:
                other.sentences.insert(0, rng.choice(FILLERS))
            if filler and len(group) == 1 and rng.random() < 0.25 and open_towns:
                # A town's fact names neither a person nor a firm, so it may stand on either side of the sentence.
                town = open_towns.pop()
                towns.append(town)
                value = names.value("known")
                facts["known", town] = (value, other)
                other.sentences.insert(rng.randrange(len(other.sentences) + 1),
                                       say(FACTS["known"][0], s=town, v=value))
            other.heading = rng.choice(HEADINGS)
            group.append(other)
            left -= 1
        groups.append(group)
    rng.shuffle(groups)
    reports = [r for g in groups for r in g]
    where = {id(r): i for i, r in enumerate(reports)}

    # 3. Text: filler sentences anywhere, headings on some reports.
    texts = []
    pool = rng.sample(FILLERS, min(len(FILLERS), 4 * chunks))
    for r in reports:
        target = rng.randint(3, 5) if filler >= 1 else (rng.randint(0, 2) if filler > 0 else 0)
        fill = max(0, target - len(r.sentences)) if filler >= 1 else target
        for _ in range(fill):
            if pool:
                r.sentences.insert(rng.randrange(len(r.sentences) + 1), pool.pop())
        text = " ".join(r.sentences)
        if form in ("markdown", "html") or (form == "text" and rng.random() < headings):
            title = r.heading or "Report on " + r.subject
            mark = "" if form == "html" or (form == "text" and rng.random() < 0.4) else "## "
            text = mark + title + "\n" + text
        texts.append(text)

    # 4. Questions.
    questions = questions_on(rng, names, facts, refs, where, persons, firms, towns, references)
    return _prompt(rng, texts, questions, spoken_of, where)


def draw_long(rng, chunks=5, words=(40, 140), paraphrase=1.0, headings=0.15):
    """One prompt of reports of about `words` words each (a range from which every prompt takes its own middle).

    A report may refer back, then tell several facts of its own; the next may refer to those. So most reports but the
    first refer, mostly with one and the same relation, and only the right person tells the answers apart. Reports that
    name nobody stand between, and references reach over them.
    """
    names = Names(rng)
    facts, refs, reports, spoken_of = {}, {}, [], []
    persons, firms, towns = [], [], []
    open_directors, open_towns = [], []
    named = {}                              # the person and the firm named last
    middle = rng.uniform(*words)
    order = rng.sample(["owns", "keeps"], 2)
    order.insert(0 if rng.random() < 0.25 else 2, "sells")

    def say(templates, **values):
        return rng.choice(templates if rng.random() < paraphrase else templates[:1]).format(**values)

    def add(report, relation, subject, value):
        facts[relation, subject] = (value, report)
        report.sentences.append(say(FACTS[relation][0], s=subject, v=value))
        if SUBJECT[relation] in ("person", "firm"):
            named[SUBJECT[relation]] = subject
        if relation == "director":
            named["person"] = value

    def tell_person(report):
        person = open_directors.pop(rng.randrange(len(open_directors))) if open_directors and rng.random() < 0.6 \
            else names.person()
        persons.append(person)
        report.subject = report.subject or person
        for r in rng.choice((["lives"], ["lives", "trade"], ["trade", "lives"], ["trade"])):
            add(report, r, person, names.value(r))
            if r == "lives":
                open_towns.append(facts[r, person][0])

    def tell_firm(report, directed=True):
        firm = names.firm()
        firms.append(firm)
        report.subject = report.subject or "the " + firm
        relations = rng.sample(["makes", "founded"], rng.randint(0 if directed else 1, 1 + (rng.random() < 0.3)))
        relations += ["director"] * directed
        rng.shuffle(relations)
        for r in relations:
            free = [p for p in persons if not any(k[0] == "director" and v[0] == p for k, v in facts.items())]
            value = rng.choice(free) if r == "director" and free and rng.random() < 0.4 else names.value(r)
            add(report, r, firm, value)
            if r == "director" and value not in persons:
                open_directors.append(value)

    def tell_town(report):
        town = open_towns.pop(rng.randrange(len(open_towns)))
        towns.append(town)
        report.subject = report.subject or town
        add(report, "known", town, names.value("known"))

    for number in range(chunks):
        report = Report()
        reports.append(report)
        free = [r for r in order if REFERENCES[r][0] in named and (r, named[REFERENCES[r][0]]) not in refs]
        if free and rng.random() < 0.85:
            r = free[0] if rng.random() < 0.95 else rng.choice(free)
            subject, value = named[REFERENCES[r][0]], names.value(r)
            if open_towns and rng.random() < 0.2:       # what is said before it must name nobody of its kind
                tell_town(report)
            elif REFERENCES[r][0] == "person" and rng.random() < 0.15:
                tell_firm(report, directed=False)
            sentence = say(REFERENCES[r][1], v=value)
            refs[r, subject] = (value, report)
            spoken_of.append((report, sentence, subject, value))
            report.sentences.append(sentence)
            report.heading = rng.choice(HEADINGS)
        for _ in range(rng.choice((0, 1, 1, 1, 2) if number else (1, 1, 2))):
            tell = rng.choice((tell_person, tell_person, tell_firm) + (tell_town,) * (2 * bool(open_towns)))
            tell(report)
    where = {id(r): i for i, r in enumerate(reports)}

    texts = []
    pool = FILLERS + MORE_FILLERS
    pool = rng.sample(pool, len(pool))
    for r in reports:
        target = middle * rng.uniform(0.85, 1.15)
        while len(" ".join(r.sentences).split()) < target and pool:
            r.sentences.insert(rng.randrange(len(r.sentences) + 1), pool.pop())
        text = " ".join(r.sentences)
        if rng.random() < headings:
            text = ("" if rng.random() < 0.4 else "## ") + (r.heading or (
                "Report on " + r.subject if r.subject else rng.choice(HEADINGS))) + "\n" + text
        texts.append(text)
    questions = questions_on(rng, names, facts, refs, where, persons, firms, towns)
    return _prompt(rng, texts, questions, spoken_of, where)


def contested(prompt):
    """The questions of kind `reference` whose relation more than one report refers with."""
    asked = [q for q in prompt.questions if q.kind == "reference"]
    return [q for q in asked if sum(o.relation == q.relation for o in asked) > 1]


def questions_on(rng, names, facts, refs, where, persons, firms, towns, references=True):
    """Every question that the facts and references support, and some that they do not."""
    questions = []

    def ask(templates, answer, kind, chunks, relation, **values):
        questions.append(Question(rng.choice(templates).format(**values), answer.format(**values), kind, chunks,
                                  relation, values.get("c") or values.get("v", "")))

    for (r, s), (v, report) in facts.items():
        ask(FACTS[r][1], FACTS[r][2], "fact", (where[id(report)],), r, s=s, v=v)
    for (r, s), (v, report) in refs.items():
        ask(REFERENCES[r][2], REFERENCES[r][3], "reference", (where[id(report)],), r, s=s, v=v)
    for (r, s), (v, report) in list(facts.items()):
        for hop in HOPS:
            first, second = hop.split("-")
            if r == first and (second, v) in facts and facts[second, v][1] is not report:
                ask(HOPS[hop][0], HOPS[hop][1], "hop", (where[id(report)], where[id(facts[second, v][1])]), hop,
                    a=s, b=v, c=facts[second, v][0])
    missing = []
    directors = [v for (r, _), (v, _) in facts.items() if r == "director"]
    known_towns = [v for (r, _), (v, _) in facts.items() if r == "lives"]
    everybody = list(dict.fromkeys(persons + directors))
    for r in FACTS:
        pool = {"person": everybody, "firm": firms, "town": list(dict.fromkeys(towns + known_towns))}[SUBJECT[r]]
        missing += [(r, s) for s in pool if (r, s) not in facts]
        missing.append((r, None))
    for r in (REFERENCES if references else ()):
        missing += [(r, s) for s in (everybody if REFERENCES[r][0] == "person" else firms) if (r, s) not in refs]
        missing.append((r, None))
    rng.shuffle(missing)
    for r, s in missing[:6]:
        kind = SUBJECT.get(r) or REFERENCES[r][0]
        templates, answer = FACTS[r][1:] if r in FACTS else REFERENCES[r][2:]
        ask(templates, answer, "unknown", (), r + ("" if s else "-absent"), s=s or names.subject(kind), v=UNKNOWN)
    for hop in HOPS:
        first, second = hop.split("-")
        for (r, s), (v, report) in list(facts.items()):
            if r == first and (second, v) not in facts and rng.random() < 0.3:
                ask(HOPS[hop][0], HOPS[hop][1], "unknown", (where[id(report)],), hop, a=s, b=v, c=UNKNOWN)
    return questions


def _prompt(rng, texts, questions, spoken_of, where):
    system = "" if rng.random() < 1 / 3 else rng.choice(SYSTEMS)
    return Prompt(system, [t + MARKER for t in texts], questions, [(where[id(r)], *rest) for r, *rest in spoken_of])


def _last(sentences, facts, report):
    """The person and the firm named last in a report."""
    last = {}
    spots = []
    for (relation, subject), (value, where) in facts.items():
        if where is report:
            spots.append((SUBJECT[relation], subject))
            if relation == "director":
                spots.append(("person", value))
    text = " ".join(sentences)
    for kind, name in spots:
        if kind in ("person", "firm"):
            at = text.rfind(name)
            if kind not in last or at > last[kind][0]:
                last[kind] = (at, name)
    return {k: n for k, (_, n) in last.items()}


if __name__ == "__main__":
    p = draw(random.Random(1), chunks=6)
    print(repr(p.system))
    print("".join(p.contexts))
    for q in p.questions:
        print(q.kind, q.relation, q.text, "|", q.answer, q.chunks)
