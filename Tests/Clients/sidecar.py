# SPDX-License-Identifier: Apache-2.0
"""Starts `tessera serve` for tests, looks at its process, and ends it.

The environment's TESSERA names the binary; by default it is that of a release build.
"""

import collections
import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESSERA = pathlib.Path(os.environ.get("TESSERA", ROOT / ".build/release/tessera"))
MODEL = ROOT / "Fixtures/models/rag-mini.gguf"
CORPUS = ROOT / "Fixtures/corpus"

JSON = dict[str, Any]

# Stored chunks at their places as they are, whether the model's gate has passed that or not.
STITCHED: JSON = {"assembly": "stitched", "selector": "none", "ungated": True}


class Sidecar:
    """A server with a folder of its own: the store, the socket, the token file and the log."""

    def __init__(self, **environment: str) -> None:
        # Paths of sockets are short, so pytest's folders won't do.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tessera-"))
        self.socket = self.folder / "socket"
        self.token = secrets.token_hex(16)
        self.port = free_port()
        # The server makes it, and leaves it for the next one.
        self.leases = pathlib.Path("/dev/shm") / self.folder.name
        self.environment = os.environ | {"TESSERA_LEASE_FOLDER": str(self.leases)} | environment
        # What a server with a configuration of its own leaves out.
        self.flags = ["--token-file", str(self.folder / "token")]
        self.process: subprocess.Popen[bytes] | None = None
        token_file = self.folder / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(self.token + "\n")

    @property
    def pid(self) -> int:
        """The server's process, told by the socket."""
        return peer_pid(self.socket)

    @property
    def url(self) -> str:
        """Where the server is reached over TCP."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Sidecar":
        """Starts the server and waits until it is ready."""
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [TESSERA, "serve", "--model", MODEL, "--store", self.folder / "store",
                 "--socket", self.socket, "--port", str(self.port), *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
        until(self.is_ready, 60, "the server did not become ready", self.log)
        return self

    def is_ready(self) -> bool:
        """Whether it answers."""
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"the server is not running:\n{self.log()}")
        try:
            with self.client() as client:
                return client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def client(self, timeout: float = 60) -> httpx.Client:
        """A client over the socket."""
        return socket_client(self.socket, timeout)

    def stop(self, limit: float = 60) -> int:
        """Ends the server by SIGTERM and returns its exit code."""
        return self.end(signal.SIGTERM, limit)

    def kill(self) -> None:
        """Ends the server without warning."""
        self.end(signal.SIGKILL, 10)

    def end(self, number: signal.Signals, limit: float) -> int:
        """Sends a signal and waits for the end."""
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"no end within {limit} s:\n{self.log()}") from None

    def log(self) -> str:
        """The last of what the server wrote."""
        return (self.folder / "log").read_text(errors="replace")[-8000:]

    def remove(self) -> None:
        """Removes the folders, and ends a server that is still there."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for folder in (self.folder, self.leases):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def serving(**environment: str) -> Iterator[Sidecar]:
    """A server with an empty store, ended by SIGTERM: its exit code has to be 0."""
    sidecar = Sidecar(**environment)
    try:
        yield sidecar.start()
        code = sidecar.stop()
        assert code == 0, f"exit code {code}:\n{sidecar.log()}"
    finally:
        sidecar.remove()


def until(
    holds: Callable[[], bool], limit: float, what: str, detail: Callable[[], object] = str
) -> None:
    """Waits until something holds, and fails with `what` where it doesn't within the limit."""
    deadline = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < deadline, f"{what} within {limit} s: {detail()}"
        time.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def socket_client(path: pathlib.Path, timeout: float = 60) -> httpx.Client:
    """A client over a Unix socket."""
    transport = httpx.HTTPTransport(uds=str(path))
    return httpx.Client(transport=transport, base_url="http://localhost", timeout=timeout)


def peer_pid(path: pathlib.Path) -> int:
    """The process that listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("3i", credentials)[0])


def resident_bytes(pid: int) -> int:
    """The memory that a process has (VmRSS)."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))


def descriptors(pid: int) -> collections.Counter[str]:
    """The open descriptors of a process, by kind."""
    kinds: collections.Counter[str] = collections.Counter()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        if target.startswith("/dev/shm/") and ".safetensors" in target:
            kinds["spare" if "/spare-" in target else "shared memory"] += 1
        elif target.startswith("/"):
            kinds["file"] += 1
        else:
            kinds[target.split(":")[0]] += 1
    return kinds


def events(response: httpx.Response) -> Iterator[JSON]:
    """The events of a stream; OpenAI's last line is left out."""
    for line in response.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def warm(client: httpx.Client, request: JSON) -> JSON:
    """Warms up, waits for the end, and returns the job."""
    answer = client.post("/v1/warm", json=request)
    assert answer.status_code == 202, answer.text
    name = answer.json()["id"]
    with client.stream("GET", f"/v1/jobs/{name}/events") as stream:
        last = list(events(stream))[-1]
    assert last["state"] == "done", last
    job: JSON = client.get(f"/v1/jobs/{name}").json()
    return job


def chunk_ids(job: JSON) -> list[str]:
    """The ids of all chunks of a job, in order."""
    return [name for document in job["documents"] for name in document["chunks"]]
