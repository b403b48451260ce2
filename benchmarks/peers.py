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
    """On which kinds of stores it is measured; how many of qml's jobs it drains, so that nobody
    waits long; and whether it stores many in one step."""

    kinds: tuple[str, ...]
    share: float
    in_batches: bool = False


PEERS = {
    "huey": Peer(("memory", "sqlite", "redis"), 0.2),
    "dramatiq": Peer(("redis",), 0.2),
    "procrastinate": Peer(("postgresql",), 0.02, in_batches=True),
}
"""By the name of the library, which is that of the contestant, too."""

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
