"""Other libraries, in an environment of their own that ``python -m benchmarks.peers`` makes.

So neither they nor qml change what the other brings. ``peers.txt`` pins them.
"""

import subprocess
import sys
import venv
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / ".tox" / "peers"
PINS = Path(__file__).with_name("peers.txt")


class Peer(NamedTuple):
    """On which kinds of stores it is measured, each with how many of qml's jobs it drains there, so
    that nobody waits long. ``keeps``: what is left of a job that has run; ``killed``: what becomes
    of the jobs that a killed worker had taken; ``in_batches``: whether it stores many in one
    step; ``pin``: its name in peers.txt."""

    kinds: dict[str, float]
    keeps: str
    killed: str
    in_batches: bool = False
    pin: str = ""


PEERS = {
    "huey": Peer(
        {"memory": 0.2, "sqlite": 0.2, "redis": 0.2},
        keeps="the value, until it is read",
        killed="LOST: a job is deleted when it is taken",
    ),
    "persistqueue": Peer(
        {"sqlite": 0.1},
        keeps="that it was acknowledged",
        killed="back when the queue is opened again, by one process",
        pin="persist-queue",
    ),
    "apscheduler": Peer(
        {"sqlite": 0.05},
        keeps="nothing",
        killed="LOST: a job is deleted when a thread gets it",
    ),
    "procrastinate": Peer(
        {"postgresql": 0.02},
        keeps="that it succeeded, and when",
        killed="stay until somebody asks for stalled ones",
        in_batches=True,
    ),
    "pgqueuer": Peer(
        {"postgresql": 0.2},
        keeps="that it succeeded, and when",
        killed="back after 30 s without a heartbeat",
        in_batches=True,
    ),
    "oban": Peer(
        {"postgresql": 0.2},
        keeps="that it succeeded, and when",
        killed="back when its node is missed, after 60 s",
        in_batches=True,
    ),
    "rq": Peer(
        {"redis": 0.01},
        keeps="the value, 500 s",
        killed="failed, when the registry is cleaned",
        in_batches=True,
    ),
    "dramatiq": Peer(
        {"redis": 0.2},
        keeps="the value, 10 min",
        killed="back after 60 s without a heartbeat",
    ),
    "celery": Peer(
        {"redis": 0.1},
        keeps="state and value, a day",
        killed="LOST: a job is acknowledged before it runs",
    ),
    "spinach": Peer(
        {"redis": 0.1},
        keeps="nothing",
        killed="back after 30 min, if it may be tried again",
        in_batches=True,
    ),
}
"""By the name of the library's module, which is that of the contestant, too. What is said of them
is of the settings they come with, as pinned."""

LOOK = "import importlib.util, sys; print(*filter(importlib.util.find_spec, sys.argv[1:]))"


def of(kind: str, row: str) -> Iterator[str]:
    """Those that are there and take part in a row on a kind of store."""
    for name, peer in PEERS.items():
        if name in there() and kind in peer.kinds and (peer.in_batches or row != "enqueue_many"):
            yield name


@cache
def there() -> frozenset[str]:
    """Those whose library the environment has; none when it was not made."""
    if not python().exists():
        return frozenset()
    command: list[str | Path] = [python(), "-c", LOOK, *PEERS]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return frozenset(done.stdout.split())


def python() -> Path:
    """The interpreter of the environment."""
    places = FOLDER / "bin" / "python", FOLDER / "Scripts" / "python.exe"
    return places[sys.platform == "win32"]


def make() -> None:
    """Make the environment, or bring it up to date."""
    venv.create(FOLDER, with_pip=True)
    subprocess.run([python(), "-m", "pip", "install", "--quiet", "-r", PINS], check=True)


if __name__ == "__main__":
    make()
    there.cache_clear()
    print("made, with", *sorted(there()))
