# SPDX-License-Identifier: Apache-2.0
"""Clients that use a server as applications and runtimes do, all at once."""

import collections
import pathlib
import random
import threading
import time
from typing import Any

import httpx

from sidecar import CORPUS, JSON, STITCHED, chunk_ids, events, socket_client

REUSE: list[JSON] = [
    {}, {"exact": True}, STITCHED, STITCHED | {"selector": "deviation", "ratio": 0.15},
    STITCHED | {"selector": "firstK"}, {"assembly": "parallel", "ungated": True}]


class BusyError(Exception):
    """The server has too much to do, and said when to come again."""


class Load:
    """Clients in threads of their own, from entering to leaving the context.

    What goes wrong is collected in `errors`; once `ending` is set, it is no more than the server's
    end. With `keeps`, each warm-up has new chunks that nobody deletes; the ids of those that are
    done are collected in `kept`.
    """

    def __init__(self, socket: pathlib.Path, clients: int, *, keeps: bool = False) -> None:
        self.socket = socket
        self.keeps = keeps
        self.texts = [path.read_text() for path in sorted(CORPUS.iterdir())]
        self.stopping = threading.Event()
        self.ending = threading.Event()
        self.errors: list[str] = []
        self.kept: list[str] = []
        self.refusals = 0
        self.seconds: dict[str, list[float]] = collections.defaultdict(list)
        self.threads = [
            threading.Thread(target=Client(self, number).run) for number in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def report(self) -> str:
        """How often each thing was done, and how long it took."""
        lines = [f"{'what':<14}{'times':>8}{'p50 ms':>9}{'p99 ms':>9}"]
        for what, seconds in sorted(self.seconds.items()):
            ordered = sorted(seconds)
            half, most = (ordered[int(share * (len(ordered) - 1))] * 1e3 for share in (0.5, 0.99))
            lines.append(f"{what:<14}{len(ordered):>8}{half:>9.1f}{most:>9.1f}")
        return "\n".join([*lines, f"{self.refusals} refused with 429, {len(self.errors)} errors"])


class Client:
    """One of them."""

    def __init__(self, load: Load, number: int) -> None:
        self.load = load
        self.number = number
        self.random = random.Random(number)
        self.own: list[str] = []
        self.warmed = 0

    def run(self) -> None:
        """Does one thing after the other."""
        steps = {self.plan: 4, self.stitch: 4, self.forget: 1, self.chat: 3, self.stream: 3,
                 self.hang_up: 1, self.warm: 3 if self.load.keeps else 1, self.delete: 1,
                 self.look: 1}
        with socket_client(self.load.socket, 120) as self.http:
            while not self.load.stopping.is_set():
                [step] = self.random.choices(list(steps), list(steps.values()))
                started = time.monotonic()
                try:
                    step()
                except BusyError:
                    self.load.refusals += 1
                    continue
                except Exception as error:
                    if self.load.ending.is_set():
                        time.sleep(0.05)
                        continue
                    self.load.errors.append(f"{step.__name__}: {error!r}")
                self.load.seconds[step.__name__].append(time.monotonic() - started)

    def call(self, verb: str, path: str, body: JSON | None = None) -> httpx.Response:
        """Sends a request, and makes sure that it was understood."""
        answer = self.http.request(verb, path, json=body)
        self.check(answer)
        return answer

    def check(self, answer: httpx.Response) -> None:
        """Raises for everything but success."""
        if answer.status_code == 429:
            pause = float(answer.headers["retry-after"])
            self.load.stopping.wait(min(pause, 2))
            raise BusyError
        if answer.status_code >= 300:
            raise RuntimeError(f"{answer.status_code} {answer.read()[:300]!r}")

    def segments(self) -> list[JSON]:
        """A prompt of some reports."""
        chunks = self.random.sample(self.load.texts, self.random.randint(1, 4))
        return [{"text": "Use only what the reports say."},
                *({"chunk": {"text": text}} for text in chunks), {"text": "Who is the director?"}]

    def question(self, **more: Any) -> JSON:
        """A chat about some reports."""
        return {"messages": [{"role": "system", "content": "Use only what the reports say."},
                             {"role": "user", "content": "Who is the director?"}],
                "documents": self.random.sample(self.load.texts, self.random.randint(0, 3)),
                "tessera": self.random.choice(REUSE), "max_tokens": 16} | more

    def plan(self) -> None:
        """Asks what to do with a prompt."""
        self.call("POST", "/v1/plan", {"segments": self.segments(), "tessera": STITCHED})

    def lease(self, seconds: float) -> JSON:
        """Has a prompt's KV laid out."""
        body = {"segments": self.segments(), "tessera": STITCHED, "seconds": seconds,
                "missing": self.random.choice(["leave", "compute"])}
        lease: JSON = self.call("POST", "/v1/stitch", body).json()
        assert pathlib.Path(lease["path"]).stat().st_size == lease["bytes"]
        return lease

    def stitch(self) -> None:
        """Has a prompt's KV laid out, and gives it back."""
        lease = self.lease(60)
        self.call("DELETE", f"/v1/leases/{lease['id']}")

    def forget(self) -> None:
        """Has a prompt's KV laid out, and never gives it back."""
        self.lease(self.random.uniform(1, 3))

    def chat(self) -> None:
        """Asks, and reads the whole answer."""
        answer = self.call("POST", "/v1/chat/completions", self.question()).json()
        assert answer["choices"][0]["finish_reason"] in ("stop", "length")

    def stream(self) -> None:
        """Asks, and reads the answer as it comes."""
        with self.http.stream(
            "POST", "/v1/chat/completions", json=self.question(stream=True)
        ) as answer:
            self.check(answer)
            last = list(events(answer))[-1]
            assert "error" not in last and last["choices"][0]["finish_reason"], last

    def hang_up(self) -> None:
        """Asks, and goes away."""
        question = self.question(stream=True, max_tokens=200, temperature=2)
        with self.http.stream("POST", "/v1/chat/completions", json=question) as answer:
            self.check(answer)
            next(events(answer))

    def warm(self) -> None:
        """Warms up, and waits for it."""
        self.warmed += 1
        mark = self.warmed if self.load.keeps else self.random.randrange(4)
        texts = [f"Client {self.number} has {mark} chunks, of which this is {place}. {text}"
                 for place, text in enumerate(self.random.sample(self.load.texts, 2))]
        if not self.load.keeps:
            texts = [text[:60] for text in texts]
        chunks = [{"text": text} for text in texts]
        name = self.call("POST", "/v1/warm", {"chunks": chunks}).json()["id"]
        with self.http.stream("GET", f"/v1/jobs/{name}/events") as stream:
            self.check(stream)
            job = list(events(stream))[-1]
        if job["state"] != "done":
            raise RuntimeError(f"the warm-up ended as {job}")
        ids = chunk_ids(self.call("GET", f"/v1/jobs/{name}").json())
        if self.load.keeps:
            self.load.kept += ids
        else:
            self.own = list({*self.own, *ids})

    def delete(self) -> None:
        """Lets a chunk go that nobody else has."""
        if self.own:
            name = self.own.pop()
            self.call("DELETE", f"/v1/chunks/{name}")

    def look(self) -> None:
        """Looks around."""
        for path in ("/v1/stats", "/v1/chunks?limit=20", "/v1/jobs", "/v1/leases", "/metrics"):
            self.call("GET", path)
