# SPDX-License-Identifier: Apache-2.0
"""Works a server for some time, then ends it under load, and looks for what was lost or leaked.

    python Tests/Clients/soak.py --seconds 3600

With --socket, a server that runs already is worked, and left running.
"""

import argparse
import pathlib
import sys
import time

import httpx
import numpy as np

from load import Load
from sidecar import Sidecar, descriptors, peer_pid, resident_bytes, socket_client, until

MEGABYTE = 1 << 20
# What memory may grow by in a minute; in a short run, which says little, what it may in all.
SLOPE = 1.0
GROWTH = 96
SHORT = 300


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="how long; 600 by default")
    parser.add_argument("--clients", type=int, default=32, help="clients at once; 32 by default")
    parser.add_argument("--socket", type=pathlib.Path, help="of a server that runs already")
    parser.add_argument(
        "--limit", type=float, default=35, help="seconds that an end may take; 35 by default")
    return parser.parse_args()


def work(socket: pathlib.Path, seconds: float, clients: int) -> None:
    """Works a server, and checks that nothing failed and that it is as lean as before."""
    pid = peer_pid(socket)
    before = descriptors(pid)
    samples: list[tuple[float, float]] = []
    started = time.monotonic()
    with Load(socket, clients) as load:
        while (now := time.monotonic() - started) < seconds:
            samples.append((now / 60, resident_bytes(pid) / MEGABYTE))
            time.sleep(1)
    print(load.report())
    assert not load.errors, load.errors[:10]
    check_memory(samples)
    with socket_client(socket) as client:
        until(lambda: leases(client) == 0, 30, "leases stayed", lambda: leases(client))
    until(lambda: descriptors(pid)["socket"] <= before["socket"], 30, "connections stayed open",
          lambda: descriptors(pid))
    after = descriptors(pid)
    print(f"open files: {dict(before)} before, {dict(after)} after")
    assert after["shared memory"] == 0, after
    # Where the last lease was large, a file stands ready for the next one, for a minute.
    until(lambda: descriptors(pid)["spare"] == 0, 75, "a spare file stayed open",
          lambda: descriptors(pid))


def leases(client: httpx.Client) -> int:
    """How many leases there are."""
    return len(client.get("/v1/leases").json()["data"])


def check_memory(samples: list[tuple[float, float]]) -> None:
    """Checks how memory grew in the last two thirds."""
    minutes, megabytes = np.array(samples[len(samples) // 3:]).T
    slope = float(np.polyfit(minutes, megabytes, 1)[0])
    growth = float(megabytes[-1] - megabytes[0])
    print(f"memory: {megabytes[-1]:.1f} MB, {slope:+.2f} MB/min, {growth:+.1f} MB after warm-up")
    if samples[-1][0] * 60 > SHORT - 5:
        assert slope < SLOPE, "memory grows"
    else:
        assert growth < GROWTH, "memory grows"


def end_under_load(sidecar: Sidecar, clients: int, limit: float, *, kills: bool) -> None:
    """Ends a server that is at work, starts it again, and looks for the chunks that were done."""
    with Load(sidecar.socket, clients, keeps=True) as load:
        until(lambda: len(load.kept) >= 4 * clients, 120, "hardly any warm-up was done",
              lambda: load.errors[:5])
        load.ending.set()
        started = time.monotonic()
        if kills:
            sidecar.kill()
        else:
            code = sidecar.stop(limit)
            assert code == 0, f"exit code {code}:\n{sidecar.log()}"
        seconds = time.monotonic() - started
        load.stopping.set()
    assert not load.errors, load.errors[:10]
    restarted = time.monotonic()
    sidecar.start()
    print(f"{'killed' if kills else 'ended'} in {seconds:.1f} s under load, "
          f"ready again after {time.monotonic() - restarted:.1f} s")
    with sidecar.client() as client:
        lost = [name for name in load.kept if client.get(f"/v1/chunks/{name}").status_code != 200]
        assert not lost, f"{len(lost)} of {len(load.kept)} chunks were lost"
        assert leases(client) == 0
        digest = client.get("/v1/digest")
        assert digest.status_code == 200, digest.text
    print(f"all {len(load.kept)} chunks are there, {digest.json()['records']} records are sound")


def main() -> None:
    """Runs all of it."""
    options = arguments()
    if options.socket:
        work(options.socket, options.seconds, options.clients)
        return
    sidecar = Sidecar()
    try:
        sidecar.start()
        work(sidecar.socket, options.seconds, options.clients)
        for kills in (False, True):
            end_under_load(sidecar, options.clients, options.limit, kills=kills)
        code = sidecar.stop(options.limit)
        assert code == 0, f"exit code {code}:\n{sidecar.log()}"
    finally:
        sidecar.remove()
    print("All is well.")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        sys.exit(f"soak: {error}")
