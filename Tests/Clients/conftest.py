# SPDX-License-Identifier: Apache-2.0
"""A server for each file of tests, ended by SIGTERM: its exit code has to be 0."""

import pathlib
import tempfile
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import configuration

from sidecar import Sidecar, serving

# Not in the tree.
configuration.set_hypothesis_home_dir(pathlib.Path(tempfile.gettempdir()) / "tessera-hypothesis")


@pytest.fixture(scope="module")
def server() -> Iterator[Sidecar]:
    """A server with an empty store."""
    with serving() as sidecar:
        yield sidecar


@pytest.fixture
def client(server: Sidecar) -> Iterator[httpx.Client]:
    """A client over the socket."""
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def model(server: Sidecar) -> str:
    """The name of the server's model."""
    with server.client() as client:
        return str(client.get("/v1/models").json()["data"][0]["id"])
