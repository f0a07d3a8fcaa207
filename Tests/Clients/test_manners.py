# SPDX-License-Identifier: Apache-2.0
"""What HTTP clients may expect beside the right answer."""

import concurrent.futures
import json
import re
import socket
import time
from collections.abc import Callable

import httpx
import pytest

from sidecar import JSON, Sidecar, until

CHAT = "/v1/chat/completions"
QUESTION: JSON = {"messages": [{"role": "user", "content": "Why?"}], "max_tokens": 4}


def head(path: str, length: int, *fields: str) -> bytes:
    """The head of a request whose body is held back."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}",
             "Content-Type: application/json", "Connection: close", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connect(server: Sidecar) -> socket.socket:
    """A connection to the server."""
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(10)
    stream.connect(str(server.socket))
    return stream


def test_body_is_held_back_until_it_is_wanted(server: Sidecar) -> None:
    body = json.dumps(QUESTION).encode()
    with connect(server) as stream:
        stream.sendall(head(CHAT, len(body), "Expect: 100-continue"))
        assert stream.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        stream.sendall(body)
        answer = b"".join(iter(lambda: stream.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 200 "), answer


def test_body_that_is_too_large_is_never_sent(server: Sidecar) -> None:
    with connect(server) as stream:
        stream.sendall(head(CHAT, 1 << 40, "Expect: 100-continue"))
        assert stream.recv(1 << 16).startswith(b"HTTP/1.1 413 ")


def test_token_behind_several_spaces(server: Sidecar) -> None:
    fields = {"Authorization": f"bearer   {server.token}"}
    assert httpx.get(f"{server.url}/v1/models", headers=fields).status_code == 200


def test_health_with_a_slash_wants_no_token(server: Sidecar) -> None:
    for path in ("/healthz", "/healthz/"):
        assert httpx.get(server.url + path).status_code == 200


@pytest.mark.parametrize(("path", "body", "field"), [
    (CHAT, QUESTION | {"tessera": {"selectr": "none"}}, "tessera.selectr"),
    ("/v1/completions", {"prompt": "x", "tessera": {"Ratio": 0.5}}, "tessera.Ratio"),
    ("/v1/plan", {"segments": [{"text": "x"}], "tesera": {}}, "tesera"),
    ("/v1/stitch", {"segments": [{"text": "x"}], "mising": "refuse"}, "mising"),
    ("/v1/stitch", {"segments": [{"text": "x"}], "format": {"dtpye": "F32"}}, "format.dtpye"),
    ("/v1/warm", {"chunks": [{"text": "x"}], "chunking": {"limits": 3}}, "chunking.limits"),
    ("/v1/warm", {"documents": [{"text": "x", "fromat": "html"}]}, "documents[0].fromat"),
    ("/tokenize", {"text": "x", "specal": True}, "specal"),
    ("/detokenize", {"tokens": [], "text": "x"}, "text"),
    ("/v1/chunks/pin", {"ids": [], "x": 1}, "x"),
])
def test_misspelt_options(client: httpx.Client, path: str, body: JSON, field: str) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"] == field
    assert error["message"] == f"{field} can't be read: there is no such field"


def test_fields_of_other_clients_are_passed_over(client: httpx.Client) -> None:
    answer = client.post(CHAT, json=QUESTION | {"user": "me", "service_tier": "auto"})
    assert answer.status_code == 200


@pytest.mark.parametrize(("field", "number"), [
    ("max_tokens", "9223372036854775808"), ("max_tokens", "1e30"), ("max_tokens", "1.5"),
    ("temperature", "1e999"),
])
def test_numbers_out_of_range(client: httpx.Client, field: str, number: str) -> None:
    messages = json.dumps(QUESTION["messages"])
    body = f'{{"messages": {messages}, "{field}": {number}}}'
    error = client.post(CHAT, content=body).json()["error"]
    assert "a number in it is too large for its field or has a fraction" in error["message"]


@pytest.mark.parametrize("chunk", [{"id": "0" * 64}, {"text": "x", "tokens": [1]},
                                   {"text": "x", "token": [1]}, {}])
def test_chunk_by_another_name(client: httpx.Client, chunk: JSON) -> None:
    error = client.post("/v1/plan", json={"segments": [{"chunk": chunk}]}).json()["error"]
    assert error["param"] == "segments[0].chunk"
    assert "a chunk is its id as a string" in error["message"]


def test_segment_of_two_kinds(client: httpx.Client) -> None:
    error = client.post("/v1/plan", json={"segments": [{"text": "x", "kind": "chunk"}]}).json()["error"]
    assert error["param"] == "segments[0]"


def longest_wait(work: list[Callable[[], None]], server: Sidecar) -> float:
    """The longest that another client waits while the server does some work, as a share of the whole.

    Where the work takes the threads that all requests share, that is most of it.
    """
    with concurrent.futures.ThreadPoolExecutor(len(work)) as pool, server.client() as client:
        begin = time.monotonic()
        under_way = [pool.submit(each) for each in work]
        longest = 0.0
        while not all(each.done() for each in under_way):
            start = time.monotonic()
            assert client.get("/healthz").status_code == 200
            longest = max(longest, time.monotonic() - start)
            time.sleep(0.01)
        for each in under_way:
            each.result()
        return longest / (time.monotonic() - begin)


def test_many_short_texts_leave_room_for_others(server: Sidecar) -> None:
    # Turning them into ids takes seconds, and must not take the threads that all requests share.
    text = "A mill stands by the river, and nobody knows who built it. " * 25
    body = {"documents": [{"text": f"{number} {text}"} for number in range(3000)]}

    def warm() -> None:
        with server.client() as client:
            job = client.post("/v1/warm", json=body).json()
            client.delete(f"/v1/jobs/{job['id']}")

    assert longest_wait([warm] * 2, server) < 0.25


def test_large_bodies_leave_room_for_others(server: Sidecar) -> None:
    ids = ",".join(["7"] * 4_000_000)
    body = f'{{"segments": [{{"tokens": [{ids}]}}], "tessera": {{"x": 1}}}}'

    def plan() -> None:
        with server.client() as client:
            assert client.post("/v1/plan", content=body).status_code == 400

    assert longest_wait([plan] * 4, server) < 0.25


def test_stream_that_is_hung_up_is_no_success(server: Sidecar, client: httpx.Client) -> None:
    def cut() -> int:
        pattern = r'tessera_requests_total\{[^}]*route="/v1/chat/completions"[^}]*status="499"[^}]*\} (\d+)'
        found = re.search(pattern, client.get("/metrics").text)
        return int(found[1]) if found else 0

    before = cut()
    body = json.dumps(QUESTION | {"max_tokens": 900, "temperature": 2, "stream": True}).encode()
    with connect(server) as stream:
        stream.sendall(head(CHAT, len(body)) + body)
        assert stream.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    until(lambda: cut() == before + 1, 20, "the cut stream is in no book", lambda: cut())
