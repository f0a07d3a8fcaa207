# SPDX-License-Identifier: Apache-2.0
"""What no client should send, by raw sockets.

Each gets a clear 4xx or a closed connection; the server lives on, and neither its memory nor its
open files grow.
"""

import contextlib
import dataclasses
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from sidecar import Sidecar, descriptors, resident_bytes, serving, until

SECONDS = 20
# What the server is told to wait for a body, and when it should have lost patience with anybody.
BODY_SECONDS = 5
PATIENCE = 90
MEMORY = 64 << 20

CHAT = "/v1/chat/completions"
QUESTION = '{"messages": [{"role": "user", "content": "Why?"}], "max_tokens": 4%s}'


@dataclasses.dataclass
class Reply:
    """What came back: the statuses of all answers, and the text."""

    statuses: list[int]
    text: bytes


@pytest.fixture(scope="module")
def server() -> Iterator[Sidecar]:
    """A server that does not wait long for bodies."""
    with serving(TESSERA_BODY_SECONDS=str(BODY_SECONDS)) as sidecar:
        yield sidecar


@pytest.fixture(scope="module", autouse=True)
def before(server: Sidecar) -> tuple[int, int]:
    """Memory and open files of a server that has answered a few requests."""
    for _ in range(5):
        assert exchange(server, [post(CHAT, QUESTION % "")]).statuses == [200]
        assert exchange(server, [post("/tokenize", '{"text": "%s"}' % ("x " * 10_000))]).statuses
        reuse = '"tessera": {"assembly": "stitched", "ungated": true}'
        kept = QUESTION % f', "documents": ["x"], {reuse}'
        assert exchange(server, [post(CHAT, kept)]).statuses == [200]
    return resident_bytes(server.pid), descriptors(server.pid).total()


@pytest.fixture(autouse=True)
def alive(server: Sidecar) -> Iterator[None]:
    """The server answers after each test."""
    yield
    assert exchange(server, [get("/healthz")]).statuses == [200]


def connect(server: Sidecar) -> socket.socket:
    """A connection to the server."""
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(str(server.socket))
    stream.settimeout(SECONDS)
    return stream


def get(path: str, *fields: str) -> bytes:
    """A request that asks for one answer and the end."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(path: str, body: str | bytes, *fields: str, length: int | str | None = None) -> bytes:
    """The same with a body in JSON."""
    data = body if isinstance(body, bytes) else body.encode()
    size = len(data) if length is None else length
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close",
             "Content-Type: application/json"]
    if length != "":
        lines.append(f"Content-Length: {size}")
    return ("\r\n".join([*lines, *fields]) + "\r\n\r\n").encode() + data


def exchange(server: Sidecar, parts: Iterable[bytes], *, half_close: bool = False) -> Reply:
    """Sends parts for as long as the server takes them, and reads to the end of the connection."""
    with connect(server) as stream:
        sender = threading.Thread(target=send, args=(stream, parts, half_close))
        sender.start()
        try:
            return read(stream)
        finally:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
            sender.join()


def send(stream: socket.socket, parts: Iterable[bytes], half_close: bool) -> None:
    """Sends parts until the connection ends."""
    with contextlib.suppress(OSError):
        for part in parts:
            stream.sendall(part)
        if half_close:
            stream.shutdown(socket.SHUT_WR)


def read(stream: socket.socket) -> Reply:
    """Reads to the end of the connection, which has to come in time."""
    text = b""
    try:
        while part := stream.recv(1 << 16):
            text += part
    except ConnectionResetError:
        pass
    except TimeoutError:
        raise AssertionError(f"the connection stays open after {text!r}") from None
    return Reply([int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", text)], text)


def refused(reply: Reply) -> bool:
    """Whether there was one clear refusal, or none and the end."""
    if not reply.statuses:
        return reply.text == b""
    [status] = reply.statuses
    body = reply.text.split(b"\r\n\r\n", 1)[1]
    return 400 <= status < 500 and (status in (400, 431) or b'"error"' in body)


BODIES: dict[str, str | bytes] = {
    "nothing": "", "open": "{", "cut": '{"messages": [', "list": "[]", "text": '"x"',
    "number": "1", "null": "null", "word": "nul", "two": "{} {}", "comma": '{"messages": [],}',
    "quotes": "{'messages': []}", "control": b'{"messages": "\x01"}',
    "not UTF-8": b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "overlong": b'{"messages": [{"role": "user", "content": "\xc0\xaf"}]}',
    "surrogate": b'{"messages": [{"role": "user", "content": "\xed\xa0\x80"}]}',
    "UTF-16": '{"messages": [{"role": "user"}]}'.encode("utf-16"), "zeros": b"\0" * 1000,
    "brackets": "[" * 100_000, "closed brackets": "[" * 100_000 + "]" * 100_000,
    "braces": '{"a":' * 100_000, "closed braces": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "deep message": QUESTION % (', "x": ' + "[" * 100_000 + "]" * 100_000),
    "deep prompt": '{"prompt": ' + "[" * 100_000 + '"x"' + "]" * 100_000 + "}",
    "deep stop": QUESTION % (', "stop": ' + "[" * 5000 + "]" * 5000),
    "long name": '{"%s": 1}' % ("x" * 1_000_000),
    "many names": "{" + ",".join(f'"n{number}": {number}' for number in range(50_000)) + "}",
    "many messages": '{"messages": [' + ",".join(["{}"] * 100_000) + "]}",
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies(server: Sidecar, name: str) -> None:
    paths = (CHAT, "/v1/completions", "/tokenize", "/v1/plan", "/v1/warm", "/v1/chunks/pin")
    for path in paths:
        reply = exchange(server, [post(path, BODIES[name])])
        # A warm-up of nothing is no mistake, and other fields than its own are passed over.
        if path == "/v1/warm" and reply.statuses == [202]:
            continue
        assert refused(reply), (path, reply)


def test_lone_surrogates(server: Sidecar) -> None:
    for path in (CHAT, "/tokenize"):
        body = '{"text": "\\ud800", "messages": [{"role": "user", "content": "\\udfff"}]}'
        assert exchange(server, [post(path, body)]).statuses in ([200], [400])


NUMBERS = ["1e999", "-1e999", "1e-999", "-0", "-0.0", "9223372036854775807", "9223372036854775808",
           "-9223372036854775808", "-9223372036854775809", "18446744073709551616", "NaN", "nan",
           "Infinity", "-Infinity", "0x10", "01", "1.", ".5", "+1", "1e", "1" * 100_000,
           "0." + "1" * 100_000, "1e" + "9" * 1000, "true", '"1"', "[]", "{}"]
FIELDS = ["max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "n",
          "presence_penalty"]
REUSE = ["ratio", "check_layer", "k", "alpha", "repairs", "seed", "temperature", "scale"]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:24])
def test_numbers(server: Sidecar, number: str) -> None:
    bodies = [QUESTION.replace('"max_tokens": 4', '"stop": ["."]') % f', "{name}": {number}'
              for name in FIELDS]
    for assembly in ("parallel", "stitched"):
        for name in REUSE:
            reuse = f'"assembly": "{assembly}", "ungated": true, "{name}": {number}'
            bodies.append(QUESTION % f', "documents": ["x"], "tessera": {{{reuse}}}')
    for body in bodies:
        reply = exchange(server, [post(CHAT, body)])
        assert reply.statuses in ([200], [400]), (body[:300], reply.text[:1000])
    segments = '"segments": [{"text": "x"}]'
    for path, body in (("/v1/stitch", f'{{{segments}, "seconds": {number}}}'),
                       ("/v1/warm", f'{{"chunking": {{"limit": {number}}}}}'),
                       ("/v1/warm", f'{{"chunking": {{"overlap": {number}}}}}'),
                       ("/detokenize", f'{{"tokens": [{number}]}}'),
                       ("/v1/plan", f'{{"segments": [{{"tokens": [{number}]}}]}}')):
        reply = exchange(server, [post(path, body)])
        assert len(reply.statuses) == 1 and reply.statuses[0] < 500, (path, reply)
    reply = exchange(server, [get(f"/v1/chunks?limit={number[:2000].replace(' ', '')}")])
    assert reply.statuses in ([200], [400], [])


def zeros(count: int, size: int = 1 << 16) -> Iterator[bytes]:
    """So many bytes in pieces."""
    for _ in range(count // size):
        yield b" " * size


@pytest.mark.parametrize("path", [CHAT, "/v1/chunks/pin", "/v1/models", "/v1/nothing"])
def test_bodies_of_100_megabytes(server: Sidecar, path: str) -> None:
    size = 100 << 20
    stated = exchange(server, [post(path, "", length=size), *zeros(size)])
    assert refused(stated), stated
    piece = b"%x\r\n%s\r\n" % (1 << 16, b" " * (1 << 16))
    head = post(path, "", "Transfer-Encoding: chunked", length="")
    chunked = exchange(server, [head, *([piece] * (size >> 16)), b"0\r\n\r\n"])
    assert refused(chunked), chunked


@pytest.mark.parametrize("path", [CHAT, "/v1/models"])
def test_clients_that_send_all_before_they_read(server: Sidecar, path: str) -> None:
    # As most do. They are read from or cut off, so that they don't wait for ever.
    with connect(server) as stream, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.sendall(post(path, "", length=100 << 20))
        for part in zeros(100 << 20):
            stream.sendall(part)


def test_truncated_bodies(server: Sidecar) -> None:
    body = QUESTION % ""
    for half_close in (True, False):
        for length in (len(body) + 1, 10_000, 16 << 20):
            started = time.monotonic()
            reply = exchange(server, [post(CHAT, body, length=length)], half_close=half_close)
            assert refused(reply) and time.monotonic() - started < BODY_SECONDS + 5
    head = post(CHAT, "", "Transfer-Encoding: chunked", length="")
    for end in (b"", b"5\r\n", b"5\r\nab", b"5\r\nabcde", b"5\r\nabcde\r\n0\r\n"):
        assert refused(exchange(server, [head, end], half_close=True))
    for cut in (b"G", b"GET /healthz", b"GET /healthz HTTP/1.1\r\nHost: loc"):
        assert refused(exchange(server, [cut], half_close=True))


def test_headers(server: Sidecar) -> None:
    fields = {
        "long": ["X: " + "x" * (1 << 20)], "long name": ["x" * (1 << 20) + ": x"],
        "many": [f"X-{number}: x" for number in range(10_000)],
        "long token": ["Authorization: Bearer " + "x" * (1 << 20)],
        "no colon": ["X"], "no name": [": x"], "space in name": ["X y: z"],
        "space behind name": ["X : y"], "zero": ["X: a\0b"], "bare CR": ["X: a\rb"],
        "folded": ["X: a", " b"], "not ASCII": ["X\u00e9: x"],
    }
    for name, more in fields.items():
        for path in ("/v1/models", "/healthz"):
            assert refused(exchange(server, [get(path, *more)])), name
    assert refused(exchange(server, [get("/" + "x" * (1 << 20))]))
    assert refused(exchange(server, [get("/v1/jobs/" + "%" * 1000)]))
    assert refused(exchange(server, [get("/v1/jobs/%ff%fe")]))


@pytest.mark.parametrize("line", [
    b"", b"\r\n\r\n\r\n", b"GET", b"GET /healthz", b"GET  HTTP/1.1", b"/healthz HTTP/1.1",
    b"GET /healthz HTTP/9.9", b"GET /healthz HTTP/1.1.1", b"GET /healthz HTTX/1.1",
    b"GET /a b HTTP/1.1", b"GET healthz HTTP/1.1", b"get /v1/models HTTP/1.1",
    b"MAGIC /v1/models HTTP/1.1", b"G\0T / HTTP/1.1", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03",
    b"PRI * HTTP/2.0", b"CONNECT localhost:80 HTTP/1.1", b"\xff" * 1000, b"A" * 100_000,
    b"GET /%00 HTTP/1.1", b"GET /../../etc/passwd HTTP/1.1", b"OPTIONS * HTTP/1.1",
], ids=lambda line: repr(line[:30]))
def test_request_lines(server: Sidecar, line: bytes) -> None:
    rest = b"\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert refused(exchange(server, [line + rest], half_close=True))


HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("fields", [
    ["Content-Length: 6", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 6"],
    ["Content-Length: 5", "Content-Length: 6"], ["Content-Length: 5, 6"], ["Content-Length: -1"],
    ["Content-Length: +5"], ["Content-Length: 0x5"], ["Content-Length: 5 5"],
    ["Content-Length: x"], ["Content-Length: 99999999999999999999"], ["Content-Length : 5"],
    ["Transfer-Encoding: xchunked"], ["Transfer-Encoding: chunked, identity"],
    ["Transfer-Encoding : chunked"], ["Transfer-Encoding:\x0bchunked"],
    ["Transfer-Encoding: identity", "Transfer-Encoding: chunked", "Content-Length: 5"],
    ["X: y\nTransfer-Encoding: chunked", "Content-Length: 6"],
], ids=str)
def test_smuggling(server: Sidecar, fields: list[str]) -> None:
    head = "\r\n".join(["POST /tokenize HTTP/1.1", "Host: localhost", *fields]) + "\r\n\r\n"
    reply = exchange(server, [head.encode() + b"0\r\n\r\n" + HIDDEN], half_close=True)
    assert b"ok\n" not in reply.text and refused(reply), reply


@pytest.mark.parametrize("chunks", [
    b"x\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n",
    b"2;" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n", b"2\r\n{}0\r\n\r\n", b"0x2\r\n{}\r\n0\r\n\r\n",
    b"2\n{}\n0\n\n",
], ids=lambda chunks: repr(chunks[:20]))
def test_bad_chunks(server: Sidecar, chunks: bytes) -> None:
    head = post("/tokenize", "", "Transfer-Encoding: chunked", length="")
    assert refused(exchange(server, [head + chunks + HIDDEN], half_close=True))


def test_many_requests_on_one_connection(server: Sidecar) -> None:
    many = get("/healthz").replace(b"Connection: close\r\n", b"") * 99
    assert exchange(server, [many + get("/healthz")]).statuses == [200] * 100


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/v1/plan", "/v1/nothing"])
def test_answers_to_head_have_no_body(server: Sidecar, path: str) -> None:
    head = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    reply = exchange(server, [head + get("/healthz")])
    assert reply.text.split(b"\r\n\r\n")[1].startswith(b"HTTP/1.1 200 "), reply
    assert reply.statuses[0] == {"/v1/plan": 405, "/v1/nothing": 404}.get(path, 200)


def test_slow_clients(server: Sidecar) -> None:
    starts = {"line": b"GET /", "fields": b"GET /healthz HTTP/1.1\r\nX: ",
              "body": post(CHAT, "", length=100_000)}
    seconds: dict[str, float] = {}

    def dribble(name: str, head: bytes) -> None:
        started = time.monotonic()
        with connect(server) as stream:
            stream.sendall(head)
            stream.settimeout(1)
            while time.monotonic() - started < PATIENCE:
                try:
                    stream.sendall(b"A")
                    if len(stream.recv(1 << 16)) == 0:
                        break
                except TimeoutError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    break
        seconds[name] = time.monotonic() - started

    threads = [threading.Thread(target=dribble, args=item) for item in starts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(seconds.values()) < PATIENCE, seconds
    assert seconds["body"] < BODY_SECONDS + 5


def test_half_closed(server: Sidecar) -> None:
    for request in (get("/healthz"), post(CHAT, QUESTION % ""),
                    post(CHAT, QUESTION % ', "stream": true')):
        assert len(exchange(server, [request], half_close=True).statuses) <= 1
    assert exchange(server, [b""], half_close=True).text == b""


def test_hang_ups(server: Sidecar) -> None:
    streamed = post(CHAT, QUESTION.replace("4", "500") % ', "temperature": 2, "stream": true')
    for turn in range(60):
        with connect(server) as stream:
            if turn % 2:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.sendall(streamed if turn % 3 else streamed[:-10])
            if turn % 3 == 1:
                assert stream.recv(100)
    assert exchange(server, [post(CHAT, QUESTION % "")]).statuses == [200]


def test_idle_connections(server: Sidecar) -> None:
    idle = [connect(server) for _ in range(300)]
    assert exchange(server, [get("/healthz")]).statuses == [200]
    for stream in idle:
        stream.close()


def test_wrong_tokens(server: Sidecar) -> None:
    for field in ("Basic x", "Bearer", "Bearer ", f"Bearer {server.token} x", "Bearer \xff",
                  "Bearer " + "x" * 8000):
        request = get("/v1/models", f"Authorization: {field}")
        with socket.create_connection(("127.0.0.1", server.port), SECONDS) as stream:
            stream.sendall(request)
            reply = read(stream)
        assert reply.statuses in ([401], [400]), (field, reply)
        body = json.loads(reply.text.split(b"\r\n\r\n", 1)[1] or b"{}")
        assert server.token not in str(body)


def test_nothing_was_left(server: Sidecar, before: tuple[int, int]) -> None:
    memory, files = before
    until(lambda: descriptors(server.pid).total() <= files, 30, "files stayed open",
          lambda: descriptors(server.pid))
    grown = resident_bytes(server.pid) - memory
    print(f"\nmemory grew by {grown / (1 << 20):.1f} MB")
    assert grown < MEMORY
