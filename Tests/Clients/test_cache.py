# SPDX-License-Identifier: Apache-2.0
"""The cache itself: warm-up, plans, leases, records."""

import os
import pathlib
import time
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open

from sidecar import CORPUS, JSON, STITCHED, Sidecar, chunk_ids, descriptors, until, warm

Arrays = dict[str, NDArray[Any]]

SYSTEM = "Use only what the reports say.\n\n"
QUESTION = "Who is the director of the Velstone yard?"


@pytest.fixture(scope="module")
def details(server: Sidecar) -> JSON:
    """What the server says of its model."""
    with server.client() as client:
        found: JSON = client.get("/v1/models").json()["data"][0]["tessera"]
        return found


@pytest.fixture(scope="module")
def report(server: Sidecar) -> JSON:
    """A report that was warmed up: its chunks' ids and token ids."""
    with server.client() as client:
        text = (CORPUS / "report-01.txt").read_text()
        job = warm(client, {"chunks": [{"text": text}], "system": SYSTEM})
        tokens = client.post("/tokenize", json={"text": text}).json()["tokens"]
        return {"id": chunk_ids(job)[0], "text": text, "tokens": tokens}


def prompt(chunk: Any, before: str = SYSTEM) -> list[JSON]:
    """A prompt of a system text, a chunk and a question."""
    return [{"text": before}, {"chunk": chunk}, {"text": QUESTION}]


def stitch(client: httpx.Client, segments: list[JSON], **more: Any) -> JSON:
    """A lease of a prompt's KV."""
    answer = client.post(
        "/v1/stitch", json={"segments": segments, "tessera": STITCHED, "seconds": 60} | more)
    assert answer.status_code == 201, answer.text
    lease: JSON = answer.json()
    return lease


def mapped(lease: JSON) -> Arrays:
    """The arrays of a lease, out of the mapped file."""
    with safe_open(lease["path"], framework="numpy") as file:
        names: list[str] = file.keys()
        return {name: file.get_tensor(name) for name in names}


def rows(lease: JSON, arrays: Arrays, what: str) -> NDArray[Any]:
    """The keys or values of the prompt's only chunk, by layer."""
    [chunk] = lease["plan"]["chunks"]
    part = slice(chunk["start"], chunk["start"] + chunk["tokens"])
    layers = sum(name.endswith(what) for name in arrays)
    return np.stack([arrays[f"layers.{layer}.{what}"][part] for layer in range(layers)])


def pairs(keys: NDArray[Any], pairing: str) -> NDArray[Any]:
    """The two numbers that RoPE turns together, as one complex number."""
    if pairing == "interleaved":
        return keys[..., 0::2] + 1j * keys[..., 1::2]
    half = keys.shape[-1] // 2
    return keys[..., :half] + 1j * keys[..., half:]


def test_warm_up(client: httpx.Client) -> None:
    documents = [
        {"id": path.name, "text": path.read_text(),
         "format": {".md": "markdown", ".html": "html"}.get(path.suffix, "text")}
        for path in sorted(CORPUS.iterdir())[1:9]]
    given = [{"text": "A chunk as it is."}, {"text": "Another."}, {"text": "A chunk as it is."}]
    request = {"documents": documents, "chunks": given,
               "chunking": {"limit": 64, "overlap": 1, "paragraphs": "separate"}}
    job = warm(client, request)
    assert [document.get("id") for document in job["documents"]][:8] == [
        document["id"] for document in documents]
    names = chunk_ids(job)
    assert job["chunks"] == job["chunks_done"] == len(set(names)) < len(names)
    assert job["tokens"] > 0 and job["bytes"] > 0
    for name in names[:5]:
        assert client.get(f"/v1/chunks/{name}").json()["entry"]["tokens"] <= 64
    again = warm(client, request)
    assert chunk_ids(again) == names and again["tokens"] == 0
    listed = client.get("/v1/jobs").json()["data"]
    assert {job["id"], again["id"]} <= {entry["id"] for entry in listed}
    assert all("documents" not in entry for entry in listed)


def test_job_is_stopped_and_resumed(client: httpx.Client) -> None:
    request = {"chunks": [{"text": f"Number {number}. " * 40} for number in range(300)]}
    name = client.post("/v1/warm", json=request).json()["id"]
    assert client.post(f"/v1/jobs/{name}/cancel").status_code == 200

    def job() -> JSON:
        found: JSON = client.get(f"/v1/jobs/{name}").json()
        return found

    until(lambda: job()["state"] == "cancelled", 30, "the job did not stop", job)
    assert job()["chunks_done"] < 300
    resumed = client.post(f"/v1/jobs/{name}/resume")
    assert resumed.status_code == 202
    until(lambda: bool(job()["state"] == "done"), 120, "the job did not end", job)
    assert job()["chunks_done"] == 300
    assert client.post(f"/v1/jobs/{name}/resume").status_code == 400
    for verb, path in (("GET", "none"), ("GET", "none/events"), ("POST", "none/cancel"),
                       ("POST", "none/resume")):
        assert client.request(verb, f"/v1/jobs/{path}").status_code == 404


def test_plan(client: httpx.Client, report: JSON) -> None:
    for chunk in (report["id"], {"text": report["text"]}, {"tokens": report["tokens"]}):
        answer = client.post("/v1/plan", json={"segments": prompt(chunk), "tessera": STITCHED})
        assert answer.status_code == 200, answer.text
        plan = answer.json()
        [found] = plan["chunks"]
        assert found["id"] == report["id"] and found["reuse"] and found["source"] == "isolated"
        assert found["tokens"] == len(report["tokens"])
        assert 0 < found["start"] < plan["prompt_tokens"] - found["tokens"]
        assert plan["selection"] == {"kind": "settled", "positions": [], "stages": []}
    stranger = {"segments": prompt({"text": "Nobody knows this."}), "tessera": STITCHED}
    [unknown] = client.post("/v1/plan", json=stranger).json()["chunks"]
    assert not unknown["reuse"] and unknown["source"] == "computed"
    missing = {"segments": prompt("0f" * 32), "tessera": STITCHED}
    assert client.post("/v1/plan", json=missing).status_code == 404


def test_selections(client: httpx.Client, report: JSON) -> None:
    def selection(**options: Any) -> JSON:
        body = {"segments": prompt(report["id"]), "tessera": STITCHED | options}
        answer = client.post("/v1/plan", json=body)
        assert answer.status_code == 200, answer.text
        found: JSON = answer.json()["selection"]
        return found

    first = selection(selector="firstK", k=3)
    assert first["kind"] == "settled" and len(first["positions"]) == 3
    deviation = selection(selector="deviation", ratio=0.2, check_layer=2)
    assert deviation["kind"] == "measured" and deviation["measure"] == "values"
    assert deviation["stages"][0]["layer"] == 2
    question = selection(selector="question", ratio=0.2)
    assert question["kind"] == "question" and question["budget"] > 0


@pytest.mark.parametrize("missing", ["leave", "compute", "refuse"])
def test_missing_chunks(client: httpx.Client, missing: str) -> None:
    body = {"segments": prompt({"text": f"Missing, so {missing} it."}), "tessera": STITCHED,
            "missing": missing}
    answer = client.post("/v1/stitch", json=body)
    if missing == "refuse":
        assert answer.status_code in (400, 404)
        return
    [chunk] = answer.json()["plan"]["chunks"]
    assert chunk["reuse"] == (missing == "compute")


def test_one_chunk_at_two_places(client: httpx.Client, report: JSON, details: JSON) -> None:
    near, far = (stitch(client, prompt(report["id"], before), format={"dtype": "F32"})
                 for before in ("Short.", "A longer text in front of it all. " * 6))
    shift = far["plan"]["chunks"][0]["start"] - near["plan"]["chunks"][0]["start"]
    assert shift > 10
    arrays = [mapped(lease) for lease in (near, far)]
    values, keys = (
        [rows(lease, found, what) for lease, found in zip((near, far), arrays, strict=True)]
        for what in ("values", "keys"))
    assert np.array_equal(values[0], values[1]) and np.abs(values[0]).max() > 0
    assert not np.allclose(keys[0], keys[1])
    turned = [pairs(array, details["rope_pairing"]) for array in keys]
    np.testing.assert_allclose(np.abs(turned[0]), np.abs(turned[1]), rtol=1e-4, atol=1e-4)
    # A pair turns alike in every token, head and layer; the first by a radian for each position.
    turn = (turned[1] * turned[0].conj()).sum(axis=(0, 1, 2))
    turn /= np.abs(turn)
    np.testing.assert_allclose(turned[0] * turn, turned[1], atol=1e-3)
    assert abs(turn[0] - np.exp(1j * shift)) < 1e-3


def test_formats(client: httpx.Client, report: JSON, details: JSON) -> None:
    def arrays(**form: str) -> tuple[JSON, Arrays]:
        lease = stitch(client, prompt(report["id"]), format={"dtype": "F32"} | form)
        return lease, mapped(lease)

    lease, plain = arrays()
    tokens = lease["plan"]["prompt_tokens"]
    shape = (tokens, details["kv_heads"], details["head_dimension"])
    assert len(plain) == 2 * details["layers"]
    assert {array.shape for array in plain.values()} == {shape}
    assert lease["bytes"] == os.path.getsize(lease["path"])
    valid = np.zeros(tokens, dtype=bool)
    for first, behind in lease["valid"]:
        valid[first:behind] = True
    [chunk] = lease["plan"]["chunks"]
    assert valid[chunk["start"]:chunk["start"] + chunk["tokens"]].all() and not valid[-1]
    by_head = arrays(order="head")[1]
    half = arrays(dtype="F16")[1]
    for name, array in plain.items():
        assert np.array_equal(array.any(axis=(1, 2)), valid)
        assert np.array_equal(by_head[name].transpose(1, 0, 2), array)
        assert half[name].dtype == np.float16
        np.testing.assert_allclose(half[name], array, rtol=1e-3, atol=1e-3)
    bare = [arrays(rope="none", pairing=pairing) for pairing in ("interleaved", "halves")]
    interleaved, halves = (rows(held, found, "keys") for held, found in bare)
    assert np.array_equal(pairs(interleaved, "interleaved"), pairs(halves, "halves"))
    moved, unturned = arrays(rope="none")
    assert np.array_equal(rows(moved, unturned, "values"), rows(lease, plain, "values"))
    assert not np.allclose(rows(moved, unturned, "keys"), rows(lease, plain, "keys"))
    brain = stitch(client, prompt(report["id"]), format={"dtype": "BF16"})
    with safe_open(brain["path"], framework="numpy") as file:
        assert file.get_slice("layers.0.keys").get_dtype() == "BF16"


def test_lease_ends(client: httpx.Client, report: JSON) -> None:
    lease = stitch(client, prompt(report["id"]))
    path = pathlib.Path(lease["path"])
    before = path.read_bytes()
    listed = {entry["id"]: entry for entry in client.get("/v1/leases").json()["data"]}
    assert {"valid", "plan"}.isdisjoint(listed[lease["id"]])
    renewed = client.post(f"/v1/leases/{lease['id']}/renew", json={"seconds": 600}).json()
    assert renewed["path"] == lease["path"] and renewed["expires"] > lease["expires"] + 300
    array = np.memmap(path, mode="r", dtype=np.uint8)
    gone = client.delete(f"/v1/leases/{lease['id']}")
    assert gone.status_code == 204 and gone.content == b"" and not path.exists()
    assert array.tobytes() == before
    assert client.delete(f"/v1/leases/{lease['id']}").status_code == 404
    late = client.post(f"/v1/leases/{lease['id']}/renew", json={"seconds": 600})
    assert late.status_code == 404
    short = stitch(client, prompt(report["id"]), seconds=1)
    assert short["expires"] < time.time() + 2
    until(lambda: not os.path.exists(short["path"]), 10, "the lease did not end")
    for seconds in (0, 3601):
        body = {"segments": prompt(report["id"]), "tessera": STITCHED, "seconds": seconds}
        assert client.post("/v1/stitch", json=body).status_code == 400


def test_spare_file(server: Sidecar, client: httpx.Client, report: JSON) -> None:
    def ready() -> list[os.stat_result]:
        found = [path.stat() for path in server.leases.glob("spare-*")]
        # The server has it at hand a moment after its memory is there.
        return [file for file in found if file.st_size > 0 and time.time() > file.st_mtime + 0.5]

    texts = [path.read_text() for path in sorted(CORPUS.iterdir())[:8]]
    large = [{"text": SYSTEM}, *({"chunk": {"text": text}} for text in texts), {"text": QUESTION}]
    first = stitch(client, large, missing="compute", format={"dtype": "F32"})
    assert first["bytes"] > 8 << 20
    until(lambda: len(ready()) == 1, 10, "no file was made ready")
    [spare] = ready()
    second = stitch(client, large, format={"dtype": "F32"})
    paths = [pathlib.Path(lease["path"]) for lease in (first, second)]
    assert paths[1].stat().st_ino == spare.st_ino and second["bytes"] == paths[1].stat().st_size
    assert paths[0].read_bytes() == paths[1].read_bytes()
    until(lambda: len(ready()) == 1, 10, "no other file was made ready")
    stitch(client, prompt(report["id"]))
    assert not list(server.leases.glob("spare-*"))
    kinds = descriptors(server.pid)
    assert kinds["spare"] == kinds["shared memory"] == 0


def test_records(client: httpx.Client, report: JSON) -> None:
    name = chunk_ids(warm(client, {"chunks": [{"text": "A record to look at and let go."}]}))[0]
    detail = client.get(f"/v1/chunks/{name}").json()
    entry = detail["entry"]
    assert entry["id"] == name and entry["kind"] == "chunk" and not entry["pinned"]
    assert entry["tokens"] == len(detail["token_ids"]) and detail["behind"] == []
    text = client.post("/detokenize", json={"tokens": detail["token_ids"]}).json()["text"]
    assert text == "A record to look at and let go."
    for verb, pinned in (("pin", True), ("unpin", False)):
        answer = client.post(f"/v1/chunks/{verb}", json={"ids": [name, report["id"]]})
        assert answer.json() == {"records": 2}
        assert client.get(f"/v1/chunks/{name}").json()["entry"]["pinned"] is pinned
    assert client.delete(f"/v1/chunks/{name}").status_code == 204
    assert client.get(f"/v1/chunks/{name}").status_code == 404
    assert client.delete(f"/v1/chunks/{name}").status_code == 404
    named = {"segments": prompt(name), "tessera": STITCHED}
    assert client.post("/v1/plan", json=named).status_code == 404
    assert client.get("/v1/chunks/short").status_code in (400, 404)


def test_lists(client: httpx.Client, report: JSON) -> None:
    def listed(**parameters: Any) -> list[JSON]:
        answer = client.get("/v1/chunks", params=parameters)
        assert answer.status_code == 200, answer.text
        entries: list[JSON] = answer.json()["data"]
        return entries

    everything = listed(limit=1000)
    assert report["id"] in {entry["id"] for entry in everything}
    assert len(listed(limit=2)) == 2 and len(listed()) == min(50, len(everything))
    for kind in ("chunk", "prefix", "variant"):
        found = listed(kind=kind, limit=1000)
        assert found == [entry for entry in found if entry["kind"] == kind]
        assert len(found) == sum(entry["kind"] == kind for entry in everything)
    for order, field in (("used", "last_used"), ("created", "created"), ("size", "bytes"),
                         ("uses", "uses")):
        numbers = [entry[field] for entry in listed(order=order, limit=1000)]
        assert numbers == sorted(numbers, reverse=True)
    assert [entry["id"] for entry in listed(begins=report["id"][:12])] == [report["id"]]
    for bad in ({"kind": "x"}, {"order": "x"}, {"limit": 0}, {"limit": 1001}, {"limit": "x"},
                {"begins": "x"}, {"begins": ""}):
        assert client.get("/v1/chunks", params=bad).status_code == 400


@pytest.mark.usefixtures("report")
def test_figures(client: httpx.Client) -> None:
    stats = client.get("/v1/stats").json()
    records = sum(row["records"] for row in stats["rows"])
    assert records > 0 and {row["kind"] for row in stats["rows"]} <= {"chunk", "prefix", "variant"}
    digests = [client.get("/v1/digest").json() for _ in range(2)]
    assert digests[0] == digests[1] and digests[0]["records"] == records
    name = chunk_ids(warm(client, {"chunks": [{"text": "This changes the digest."}]}))[0]
    assert client.get("/v1/digest").json()["digest"] != digests[0]["digest"]
    client.delete(f"/v1/chunks/{name}")
    assert client.get("/v1/digest").json() == digests[0]
    metrics = client.get("/metrics")
    assert metrics.status_code == 200 and metrics.headers["content-type"].startswith("text/plain")
    assert "# TYPE" in metrics.text
    for path in ("/healthz", "/readyz"):
        assert client.get(path).text == "ok\n"


def test_what_is_not_there(client: httpx.Client) -> None:
    unknown = client.get("/v1/nothing")
    assert unknown.status_code == 404 and unknown.json()["error"]["message"]
    wrong = client.put("/v1/plan", json={})
    assert wrong.status_code == 405 and wrong.json()["error"]["message"]
    assert wrong.headers["allow"].split(", ") == ["POST"]
    for tokens in ([2**31 - 1], [-1]):
        assert client.post("/detokenize", json={"tokens": tokens}).status_code == 400
