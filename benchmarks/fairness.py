"""``python -m benchmarks.fairness``: processes that write to one SQLite file without pause.

There is one writer at a time, so the others wait; who waits longest, and how long? Each process
enqueues one job after the other. `bare` waits as SQLite does by itself.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from . import peers
from .contest import child
from .stores import STORES, Store
from .table import rate, table

NAMES = ("sqlite", "sqlite-normal")
CONTESTANTS = ("qml", "bare", "huey")

AIM = 100.0
"""Milliseconds that no call of qml's should take."""


def measure(store: Store, name: str, processes: int, seconds: float) -> list[list[float]]:
    """What each call took in milliseconds, by process."""
    python = peers.python() if name in peers.PEERS else sys.executable
    with store.new() as url, ExitStack() as running:
        arguments = (f"benchmarks.contestants.{name}", "waits", f"--seconds={seconds}")
        started = [
            running.enter_context(child(url, *arguments, python=python)) for _ in range(processes)
        ]
        answers = [process.communicate()[0] for process in started]
        if any(process.returncode for process in started):
            raise SystemExit(f"{name} failed on {store.name}: see above")
    return [json.loads(answer) for answer in answers]


def show(store: Store, processes: int, seconds: float) -> bool:
    """Measure and print a table; whether no call of qml's took longer than the aim."""
    there = [name for name in CONTESTANTS if name not in peers.PEERS or name in peers.there()]
    found = {name: measure(store, name, processes, seconds) for name in there}
    title = f"{store.name}: {processes} processes enqueue without pause for {seconds:g} s"
    head = ["", "jobs/s", "of the slowest", "p50 ms", "p99 ms", "worst ms"]
    rows = [[name, *_cells(waits, seconds)] for name, waits in found.items()]
    print(table(title, head, rows), flush=True)
    return max(map(max, found["qml"])) <= AIM


def _cells(waits: Sequence[Sequence[float]], seconds: float) -> list[str]:
    every = [wait for each in waits for wait in each]
    cuts = statistics.quantiles(every, n=100, method="inclusive")
    slowest = min(map(len, waits)) / seconds
    times = (cuts[49], cuts[98], max(every))
    return [rate(len(every) / seconds), rate(slowest), *(f"{one:.2f}" for one in times)]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 = the aim was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=__doc__)
    parser.add_argument("--stores", nargs="+", choices=NAMES, default=[*NAMES], metavar="NAME")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long they write")
    options = parser.parse_args(arguments)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    kept = [show(STORES[name], options.processes, options.seconds) for name in options.stores]
    print(f"The aim, no call of qml's above {AIM:g} ms, is {'met' if all(kept) else 'missed'}.")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
