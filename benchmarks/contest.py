"""Contestants take turns, each in a process of its own; what counts is the median of their rounds.

Turns, because a machine that others use is faster one minute than the next: a ratio of two rates
measured in the same round says more than either rate.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .loops import URL, Effort
from .stores import Store

REPO = Path(__file__).parents[1]


class Turn(NamedTuple):
    """One loop of one contestant, with an interpreter that has what it imports."""

    contestant: str
    loop: str
    effort: Effort
    python: str | Path = sys.executable


def take(turn: Turn, store: Store) -> float:
    """Take a turn in an empty store; its rate per second."""
    module = f"benchmarks.contestants.{turn.contestant}"
    effort = (f"--seconds={turn.effort.seconds}", f"--size={turn.effort.size}")
    with store.new() as url, child(url, module, turn.loop, *effort, python=turn.python) as process:
        answer, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{turn.contestant} failed at {turn.loop} on {store.name}: see above")
    return float(json.loads(answer))


def child(
    url: str, module: str, *arguments: str, python: str | Path = sys.executable
) -> "subprocess.Popen[str]":
    """A process that runs a module of ours on a store, and talks on its standard streams. It keeps
    what Python compiles, as pip does: to compile redis-py anew takes 20 MB, which stay."""
    env = {**os.environ, "PYTHONPATH": str(REPO), URL: url}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.Popen(
        [python, "-m", module, *arguments],
        cwd=REPO,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def medians(turns: Mapping[str, Turn], store: Store, rounds: int) -> dict[str, float]:
    """The median rate of each turn over ``rounds`` rounds, in each of which all take one."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            found[name].append(take(turn, store))
    return {name: statistics.median(rates) for name, rates in found.items()}
