# SPDX-License-Identifier: Apache-2.0
"""The examples of the README: they stand there as they stand here, and they run."""

import pathlib
import subprocess
import sys

from sidecar import ROOT, Sidecar

HERE = pathlib.Path(__file__).parent
README = (ROOT / "README.md").read_text()


def code(name: str, after: str) -> str:
    """What the README shows of an example."""
    return (HERE / name).read_text().split(after, 1)[1].strip("\n")


def test_openai(server: Sidecar) -> None:
    assert f"```python\n{code('example_openai.py', 'Apache-2.0')}\n```" in README
    output = subprocess.run(
        [sys.executable, HERE / "example_openai.py", server.socket], check=True, capture_output=True,
        text=True).stdout
    assert "Hanas Stenden" in output and "tokens reused" in output


def test_curl(server: Sidecar) -> None:
    shown = code("example_curl.sh", 'socket="$1"')
    assert f"```sh\n{shown}\n```" in README
    output = subprocess.run(
        [HERE / "example_curl.sh", server.socket], check=True, capture_output=True, text=True).stdout
    assert '"state":"queued"' in output and output.rstrip().endswith("data: [DONE]")
