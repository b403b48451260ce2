"""Contestants take turns, each in a process of its own; what counts is the median of their rounds.

Turns, because a machine that others use is faster one minute than the next: a ratio of two rates
measured in the same round says more than either rate. A contestant is a module with ``LOOPS``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).parents[1]

Loop = Callable[[Path, str, int], float]
"""Does the work ``size`` times on a new file with a durability; the rate per second."""

PAYLOAD = "x" * 200
THREADS = 8


class Turn(NamedTuple):
    """One contestant's loop: run by ``python -m module loop`` of an interpreter."""

    module: str
    loop: str
    size: int
    python: str = sys.executable


def take(turn: Turn, durability: str) -> float:
    """Run one turn on a new file; its rate per second."""
    with tempfile.TemporaryDirectory(prefix="qml-bench-") as folder:
        command = [turn.python, "-m", turn.module, turn.loop, str(Path(folder) / "bench.db")]
        command += ["--durability", durability, "--size", str(turn.size)]
        environment = {**os.environ, "PYTHONPATH": str(REPO)}
        done = subprocess.run(
            command, cwd=REPO, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return float(json.loads(done.stdout))


def rates(turns: Mapping[str, Turn], durability: str, rounds: int) -> dict[str, float]:
    """The median rate of each turn over ``rounds`` rounds, in each of which all take one."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            found[name].append(take(turn, durability))
    return {name: statistics.median(values) for name, values in found.items()}


def enter(loops: Mapping[str, Loop], arguments: Sequence[str] | None = None) -> None:
    """What a contestant's module does when it is run: one loop, its rate printed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("loop", choices=[*loops])
    parser.add_argument("file", type=Path)
    parser.add_argument("--durability", default="full")
    parser.add_argument("--size", type=int, default=1000)
    options = parser.parse_args(arguments)
    print(json.dumps(loops[options.loop](options.file, options.durability, options.size)))
