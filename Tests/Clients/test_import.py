# SPDX-License-Identifier: Apache-2.0
"""KV that was made elsewhere."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from sidecar import JSON, STITCHED, Sidecar

Arrays = dict[str, NDArray[Any]]

TOKENS = list(range(20, 44))
BASE = 7


class Producer:
    """A runtime elsewhere: its name, the server's model, and KV drawn at random."""

    def __init__(self, server: Sidecar, name: str) -> None:
        with server.client() as client:
            self.model: JSON = client.get("/v1/models").json()["data"][0]["tessera"]
        self.name = name
        shape = (len(TOKENS), self.model["kv_heads"], self.model["head_dimension"])
        random = np.random.default_rng(7)
        self.arrays: Arrays = {
            f"layers.{layer}.{what}": random.normal(size=shape).astype(np.float16)
            for layer in range(self.model["layers"]) for what in ("keys", "values")}

    def file(self, arrays: Arrays | None = None, **more: str) -> bytes:
        """The KV as a file; `more` changes what it says of itself."""
        metadata = {
            "format": "tessera-import-1", "fingerprint": self.model["fingerprint"],
            "producer": self.name, "position_base": "0", "rope": "none",
            "pairing": self.model["rope_pairing"], "order": "token", "tokens": json.dumps(TOKENS)}
        return save(self.arrays if arrays is None else arrays, metadata | more)


@pytest.fixture(scope="module")
def producer(server: Sidecar) -> Producer:
    return Producer(server, "elsewhere")


def put(client: httpx.Client, file: bytes) -> httpx.Response:
    """Sends a file."""
    return client.post(
        "/v1/chunks", content=file, headers={"Content-Type": "application/octet-stream"})


def stitched(
    client: httpx.Client, producer: Producer, before: int, **form: str
) -> tuple[JSON, Arrays]:
    """The chunk's part of a lease behind some tokens."""
    body = {"segments": [{"tokens": [5] * before}, {"chunk": {"tokens": TOKENS}}, {"tokens": [6]}],
            "tessera": STITCHED, "producer": producer.name, "format": {"dtype": "F32"} | form}
    answer = client.post("/v1/stitch", json=body)
    assert answer.status_code == 201, answer.text
    lease: JSON = answer.json()
    with safe_open(lease["path"], framework="numpy") as file:
        names: list[str] = file.keys()
        arrays = {name: file.get_tensor(name) for name in names}
    return lease, {name: array[before:before + len(TOKENS)] for name, array in arrays.items()}


def test_import(client: httpx.Client, producer: Producer) -> None:
    first = put(client, producer.file())
    assert first.status_code == 201, first.text
    assert first.json()["stored"] and first.json()["tokens"] == len(TOKENS)
    again = put(client, producer.file())
    assert again.status_code == 200
    assert not again.json()["stored"] and again.json()["id"] == first.json()["id"]


def test_only_under_its_producer(client: httpx.Client, producer: Producer) -> None:
    name = put(client, producer.file()).json()["id"]

    def listed(**parameters: str) -> set[str]:
        answer = client.get("/v1/chunks", params=parameters)
        return {entry["id"] for entry in answer.json()["data"]}

    assert name in listed(producer=producer.name)
    assert name in listed() and name not in listed(producer="another")
    detail = client.get(f"/v1/chunks/{name}").json()
    assert detail["token_ids"] == TOKENS
    assert detail["entry"]["fingerprint"] != producer.model["fingerprint"]
    segments = [{"tokens": [5]}, {"chunk": {"tokens": TOKENS}}, {"tokens": [6]}]
    wanted = {"segments": segments, "tessera": STITCHED}
    for whose, reuse in (({"producer": producer.name}, True), ({}, False)):
        plan = client.post("/v1/plan", json=wanted | whose).json()
        assert plan["chunks"][0]["reuse"] is reuse
    stranger = client.post("/v1/plan", json=wanted | {"producer": "another"})
    assert stranger.status_code == 404


def test_numbers_come_back(client: httpx.Client, producer: Producer) -> None:
    put(client, producer.file())
    lease, found = stitched(client, producer, 3, rope="none")
    assert lease["plan"]["chunks"][0]["start"] == 3
    for name, array in producer.arrays.items():
        np.testing.assert_allclose(found[name], array, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("order", ["token", "head"])
@pytest.mark.parametrize("pairing", ["interleaved", "halves"])
def test_turned_keys(
    client: httpx.Client, server: Sidecar, producer: Producer, order: str, pairing: str
) -> None:
    # What the server turns to some position, another producer hands in from there.
    put(client, producer.file())
    arrays = stitched(client, producer, BASE, pairing=pairing)[1]
    if order == "head":
        arrays = {name: np.ascontiguousarray(array.transpose(1, 0, 2))
                  for name, array in arrays.items()}
    other = Producer(server, f"turned-{order}-{pairing}")
    answer = put(client, other.file(
        arrays, rope="applied", position_base=str(BASE), pairing=pairing, order=order))
    assert answer.status_code == 201, answer.text
    found = stitched(client, other, 2, rope="none")[1]
    for name, array in producer.arrays.items():
        np.testing.assert_allclose(found[name], array, rtol=4e-3, atol=4e-3)


def test_bad_files(client: httpx.Client, producer: Producer) -> None:
    good = producer.file()
    fewer = dict(list(producer.arrays.items())[:-1])
    bent = producer.arrays | {"layers.0.keys": producer.arrays["layers.0.keys"][:-1]}
    hollow = producer.arrays | {
        "layers.0.keys": np.full_like(producer.arrays["layers.0.keys"], np.nan)}
    files = {
        "empty": b"", "text": b"no safetensors", "cut": good[:-100], "header": good[:40],
        "long header": (2**63 - 1).to_bytes(8, "little") + good[8:],
        "longer": good + b"\0" * 8, "fewer": producer.file(fewer), "bent": producer.file(bent),
        "not numbers": producer.file(hollow), "no metadata": save(producer.arrays),
        "fingerprint": producer.file(fingerprint="0f" * 32),
        "producer": producer.file(producer=""), "long producer": producer.file(producer="x" * 65),
        "format": producer.file(format="tessera-import-9"), "rope": producer.file(rope="maybe"),
        "base": producer.file(rope="applied", position_base="-1"),
        "far": producer.file(rope="applied", position_base="9" * 30),
        "pairing": producer.file(pairing="x"), "order": producer.file(order="x"),
        "no tokens": producer.file(tokens="[]"), "few tokens": producer.file(tokens="[1]"),
        "strange tokens": producer.file(tokens=json.dumps([2**31 - 1] * len(TOKENS))),
        "text tokens": producer.file(tokens="x"),
    }
    answers = {name: put(client, file).status_code for name, file in files.items()}
    assert set(answers.values()) == {400}, answers


def test_asking_for_producers_uses_none_up(client: httpx.Client, server: Sidecar) -> None:
    for number in range(40):
        asked = client.get("/v1/chunks", params={"producer": f"nobody-{number}"})
        assert asked.json().get("data", []) == []
    assert put(client, Producer(server, "late").file()).status_code == 201
