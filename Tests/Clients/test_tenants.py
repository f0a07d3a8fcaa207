# SPDX-License-Identifier: Apache-2.0
"""Two tenants: whether one can tell by the clock what the other has.

The attacker asks about chunks that the victim has and about such as nobody has, in turn, and a classifier that goes by
the time of each answer has to be no better than chance: the area under its curve stays within 0.05 of a half.
"""

import json
import os
import random
import socket
import statistics
import time
from collections.abc import Callable, Iterator

import pytest

from sidecar import STITCHED, Sidecar, warm

TRIALS = int(os.environ.get("TESSERA_TRIALS", "2000"))
TOKENS = {"victim": "victim-victim-victim-1234", "attacker": "attacker-attacker-attacker"}
LIMIT = 0.05


@pytest.fixture(scope="module")
def server() -> Iterator[Sidecar]:
    """A server with two tenants beside its own user, told apart by their tokens."""
    sidecar = Sidecar()
    tenants = {}
    for name, token in TOKENS.items():
        file = sidecar.folder / f"{name}.token"
        file.touch(mode=0o600)
        file.write_text(token)
        tenants[name] = {"tokenFile": str(file)}
    own = {"tokenFile": str(sidecar.folder / "token"), "administrator": True}
    config = sidecar.folder / "tessera.json"
    config.write_text(json.dumps({"tenants": ["own", *TOKENS], "tenant": tenants | {"own": own}}))
    sidecar.environment |= {"TESSERA_CONFIG": str(config)}
    sidecar.flags = []
    try:
        yield sidecar.start()
        assert sidecar.stop() == 0
    finally:
        sidecar.remove()


class Attacker:
    """A connection that measures how long answers take."""

    def __init__(self, server: Sidecar) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(server.socket))

    def seconds(self, method: str, path: str, body: object = None) -> float:
        """The time of one answer."""
        text = b"" if body is None else json.dumps(body).encode()
        head = (f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS['attacker']}\r\n"
                f"Content-Length: {len(text)}\r\n\r\n").encode()
        start = time.perf_counter_ns()
        self.socket.sendall(head + text)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(65536)
        fields, rest = answer.split(b"\r\n\r\n", 1)
        length = next(int(line.split(b":")[1]) for line in fields.split(b"\r\n")
                      if line.lower().startswith(b"content-length:"))
        while len(rest) < length:
            rest += self.socket.recv(65536)
        return (time.perf_counter_ns() - start) / 1e9


def area(present: list[float], absent: list[float]) -> float:
    """The area under the curve of a classifier by time: Mann and Whitney's U over all pairs."""
    ranked = sorted([(seconds, 1) for seconds in present] + [(seconds, 0) for seconds in absent])
    ranks = sum(rank for rank, (_, is_present) in enumerate(ranked, 1) if is_present)
    count = len(present)
    return (ranks - count * (count + 1) / 2) / (count * len(absent))


def tokens(generator: random.Random) -> list[int]:
    """A chunk that nobody else makes up."""
    return [generator.randrange(3, 1500) for _ in range(96)]


def plan(segment: object) -> object:
    """A request for a plan of one chunk."""
    return {"segments": [{"tokens": [5, 6, 7]}, {"chunk": segment}, {"tokens": [8, 9]}],
            "tessera": STITCHED}


def measure(
    ask: Callable[[int, bool], float],
) -> tuple[list[float], list[float]]:
    """The times of both kinds, asked in an order that neither gains by."""
    generator = random.Random(7)
    present: list[float] = []
    absent: list[float] = []
    for number in range(TRIALS // 2):
        order = [True, False]
        generator.shuffle(order)
        for is_present in order:
            (present if is_present else absent).append(ask(number, is_present))
    return present, absent


@pytest.mark.parametrize("attempt", ["show", "plan by id", "plan by tokens", "stitch", "pin"])
def test_the_clock_tells_nothing(server: Sidecar, attempt: str) -> None:
    generator = random.Random(attempt)
    stored = [tokens(generator) for _ in range(200)]
    with server.client() as client:
        client.headers["Authorization"] = f"Bearer {TOKENS['victim']}"
        job = warm(client, {"chunks": [{"tokens": chunk} for chunk in stored]})
    ids = [name for document in job["documents"] for name in document["chunks"]]
    # Asked about as often, so that what the attacker's own namespace remembers is the same.
    strange = [tokens(generator) for _ in stored]
    strangers = [generator.randbytes(32).hex() for _ in ids]
    attacker = Attacker(server)

    def ask(number: int, is_present: bool) -> float:
        place = number % len(stored)
        name = (ids if is_present else strangers)[place]
        chunk = (stored if is_present else strange)[place]
        if attempt == "show":
            return attacker.seconds("GET", f"/v1/chunks/{name}")
        if attempt == "pin":
            return attacker.seconds("POST", "/v1/chunks/pin", {"ids": [name]})
        if attempt == "plan by id":
            return attacker.seconds("POST", "/v1/plan", plan(name))
        if attempt == "plan by tokens":
            return attacker.seconds("POST", "/v1/plan", plan({"tokens": chunk}))
        return attacker.seconds(
            "POST", "/v1/stitch", plan({"tokens": chunk}) | {"missing": "refuse"})  # type: ignore[operator]

    for number in range(100):
        ask(number, number % 2 == 0)
    present, absent = measure(ask)
    found = area(present, absent)
    medians = f"{statistics.median(present) * 1e6:.0f} and {statistics.median(absent) * 1e6:.0f} µs"
    print(f"{attempt}: area {found:.3f}, medians {medians}")
    assert abs(found - 0.5) <= LIMIT, f"{attempt}: {found:.3f}; {medians}"
