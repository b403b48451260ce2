"""A durable map that is killed again and again: ``python -m tests.crash.map_kills --kills 100``.

A script maps some inputs; it is killed (SIGKILL) at random points and started again, until it has
been killed often enough and then ends by itself. Every input must have had its effect, and every
result must be there once and in its order.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from qml import StateKind
from qml.storage.connect import connect
from tests.crash import stores

LEASE, WINDOW = 1.0, 60
INPUTS_PER_KILL = 8


def run(url: str, folder: Path, kills: int, seed: int) -> Counter[str]:
    """Kill the map so often, let it end, and judge; what was seen. AssertionError."""
    chance = random.Random(seed)
    number = INPUTS_PER_KILL * kills
    seen: Counter[str] = Counter()
    for _ in range(kills):
        child = _start(url, folder, number)
        begun, wanted = _effects(folder), chance.randint(0, 2 * INPUTS_PER_KILL)
        time.sleep(chance.random() * 0.05)
        while child.poll() is None and _effects(folder) - begun < wanted:
            time.sleep(0.001)
        if child.poll() is not None:
            assert child.returncode == 0, child.returncode
            seen["runs that ended before the kill"] += 1
        child.kill()
        child.wait()
    assert _start(url, folder, number).wait(300) == 0
    _judge(url, folder, number, seen)
    return seen


def _start(url: str, folder: Path, number: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.crash.map_child", url, str(folder), str(number)]
    return subprocess.Popen(command)


def _effects(folder: Path) -> int:
    file = folder / "effects"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def _judge(url: str, folder: Path, number: int, seen: Counter[str]) -> None:
    effects = Counter(int(line) for line in (folder / "effects").read_text().split())
    assert sorted(effects) == list(range(number)), "every input had its effect"
    results = [int(line) for line in (folder / "results").read_text().split()]
    assert results == [n * n for n in range(number)], "every result once, in its order"
    with connect(url) as storage:
        counts = storage.get_job_counts()
        assert counts[StateKind.SUCCEEDED] == sum(counts.values()) == number
        again = sum(job.attempt > 1 for job in storage.list())
    seen["inputs"] = number
    seen["inputs run more than once"] = sum(count > 1 for count in effects.values())
    seen["jobs of more than one attempt"] = again


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.map_kills", description=__doc__)
    stores.add_options(parser)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        stores.opened(options, Path(folder)) as store,
    ):
        seen = run(store.url, Path(folder), options.kills, options.seed)
    told = ", ".join(f"{count:,} {what}" for what, count in seen.items())
    print(f"{options.kills} kills, {told}, {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
