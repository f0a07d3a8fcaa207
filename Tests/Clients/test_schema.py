# SPDX-License-Identifier: Apache-2.0
"""The server against the document that it serves: requests by Schemathesis, over the Unix socket.

TESSERA_EXAMPLES is the number of requests that are generated for each operation with input.
"""

import collections
import itertools
import json
import os
import pathlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from requests.adapters import HTTPAdapter
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from sidecar import JSON, ROOT, STITCHED, Sidecar, chunk_ids, warm
from test_import import Producer, put

EXAMPLES = int(os.environ.get("TESSERA_EXAMPLES", "160"))
REQUESTS = 5000 * min(1, EXAMPLES / 160)
SECONDS = 60
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance,
          response_headers_conformance, response_schema_conformance]

DOCUMENT = ROOT / "Sources/CDocuments/openapi.json"

# Numbers of answers by operation and status.
answers: collections.Counter[tuple[str, int]] = collections.Counter()

# What is never done here: nothing is there to be removed or resumed.
FRUITLESS = {"DELETE /v1/leases/{id}", "DELETE /v1/chunks/{id}", "POST /v1/jobs/{id}/resume"}


class SocketAdapter(HTTPAdapter):
    """Sends what `requests` sends over a Unix socket."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()

        class Connection(HTTPConnection):
            def connect(self) -> None:
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.settimeout(SECONDS)
                self.sock.connect(str(path))

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        self.pool = Pool("localhost", maxsize=1)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """The one way there is."""
        return self.pool

    def close(self) -> None:
        """Lets the connection go."""
        self.pool.close()


@pytest.fixture(scope="module")
def session(server: Sidecar) -> Iterator[requests.Session]:
    """A session over the socket."""
    with requests.Session() as session:
        session.mount("http://", SocketAdapter(server.socket))
        yield session


def closed(schema: JSON) -> JSON:
    """A schema of answers that allows no fields but those that it names."""
    if "properties" in schema:
        inner = {name: closed(value) for name, value in schema["properties"].items()}
        return {"additionalProperties": False} | schema | {"properties": inner}
    return schema | ({"items": closed(schema["items"])} if "items" in schema else {})


def strict(document: JSON) -> JSON:
    """The document with closed schemas for all that is answered only."""
    schemas: JSON = document["components"]["schemas"]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    todo = [operation.get("requestBody") for operation in operations]
    asked: set[str] = set()
    while todo:
        text = json.dumps(todo.pop())
        for name in schemas.keys() - asked:
            if f'schemas/{name}"' in text:
                asked.add(name)
                todo.append(schemas[name])
    answers = {name: closed(schemas[name]) for name in schemas.keys() - asked}
    return document | {"components": document["components"] | {"schemas": schemas | answers}}


document = strict(json.loads(DOCUMENT.read_text()))
api = schemathesis.openapi.from_dict(document)
api.config.output.sanitization.update(enabled=False)


@pytest.fixture(scope="module")
def known(server: Sidecar) -> JSON:
    """Things that are there, by the part of the path or the field that names them."""
    with server.client() as client:
        job = warm(client, {"chunks": [{"text": "It was a quiet month for everybody."}]})
        chunk = chunk_ids(job)[0]
        body = {"segments": [{"chunk": chunk}, {"text": "Why?"}], "tessera": STITCHED,
                "seconds": 3600}
        lease = client.post("/v1/stitch", json=body).json()["id"]
        model = client.get("/v1/models").json()["data"][0]["id"]
        # Later there may be as many producers as go.
        file = Producer(server, "schema").file()
        assert put(client, file).status_code == 201
    return {"chunks": chunk, "leases": lease, "jobs": job["id"], "models": model,
            "fields": {"chunk": chunk, "model": model, "ids": [chunk], "producer": None,
                       "check_layer": 1, "messages": [{"role": "user", "content": "Why?"}]},
            "file": file}


def within_reach(value: Any, known: JSON) -> Any:
    """A body with things that are there and token ids that the model has."""
    if isinstance(value, list):
        return [within_reach(item, known) for item in value]
    if isinstance(value, dict):
        body = {name: known.get(name, within_reach(item, known)) for name, item in value.items()}
        if isinstance(body.get("tessera"), dict):
            body["tessera"] = STITCHED | body["tessera"] | {"ungated": True, "exact": False}
        return body
    return value % 500 if isinstance(value, int) and value > 5000 else value


def adapt(case: Any, known: JSON, turn: int) -> None:
    """Lets every other case reach further, and bounds the time that answers take."""
    if turn % 2 and case.path_parameters and case.method != "DELETE":
        name = known[case.path.split("/")[2]]
        case.path_parameters = dict.fromkeys(case.path_parameters, name)
    if turn % 2 and isinstance(case.body, dict):
        case.body = within_reach(case.body, known["fields"])
    if turn % 4 == 1 and case.operation.label == "POST /v1/chunks":
        case.body = known["file"]
    if isinstance(case.body, dict) and case.path.endswith("completions"):
        for name in ("max_tokens", "max_completion_tokens"):
            asked = case.body.get(name, 4)
            case.body[name] = 4 if isinstance(asked, int | float) and asked > 4 else asked


turns = itertools.count()


@api.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))
def test_operation(case: Any, session: requests.Session, known: JSON) -> None:
    adapt(case, known, next(turns))
    started = time.monotonic()
    response = case.call(base_url="http://localhost", session=session, timeout=SECONDS)
    assert time.monotonic() - started < SECONDS
    answers[case.operation.label, response.status_code] += 1
    case.validate_response(response, checks=CHECKS)
    kind = response.headers.get("content-type", [""])[0]
    if kind.startswith("text/event-stream") and case.operation.path.endswith("completions"):
        last = response.content.decode().splitlines()[-2]
        assert last == "data: [DONE]" or last.startswith('data: {"error"')


def test_document(session: requests.Session) -> None:
    served = session.get("http://localhost/openapi.json")
    assert served.content == DOCUMENT.read_bytes()


def test_enough_was_sent() -> None:
    labels = {
        f"{verb.upper()} {path}" for path, item in document["paths"].items() for verb in item}
    print(f"\n{answers.total()} requests")
    for label in sorted(labels):
        print(label, {status: count for (name, status), count in answers.items() if name == label})
    assert answers.total() >= REQUESTS
    assert {label for label, status in answers if status < 300} == labels - FRUITLESS
